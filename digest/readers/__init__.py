"""People, as far as it is pure: addresses, what is known of a reader, segments, tokens, lists from elsewhere."""
