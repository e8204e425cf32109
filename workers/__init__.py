"""Celery: the application, its tasks and beat. Tasks carry ids only and poke a flow."""
