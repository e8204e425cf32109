"""Subscribers, consent, suppressions, imports, segments."""
