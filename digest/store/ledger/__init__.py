"""Issues, batches, deliveries and what became of each."""
