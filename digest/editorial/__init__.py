"""Choosing: which articles are one story, how stories rank, what an issue and one reader of it get, and why."""
