"""Carrying mail to SMTP servers: the dialogue, connections, the courier, a worker's journal."""
