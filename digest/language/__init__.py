"""Words in the reader's language: texts, dates, fixed strings."""
