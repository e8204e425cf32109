"""Flows of readers: sign-up, choices, imports, errands, erasure, segments."""
