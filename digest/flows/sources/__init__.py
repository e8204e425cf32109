"""Flows of what comes in: feeds collected, articles put in by hand."""
