"""Sending, as far as it is pure: what follows from an answer, limits, admission, the account."""
