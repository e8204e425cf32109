"""Flows of sending: deliver batches, recover what crashed workers left, letters, trials, refusals."""
