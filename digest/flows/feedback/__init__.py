"""Flows of what comes back: returned mail, clicks."""
