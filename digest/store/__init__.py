"""The database: queries as plain functions that take a connection. Flows open it, and commit."""
