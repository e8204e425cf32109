"""Flows of issues: composing, reviewing, publishing, what comes next, what went out."""
