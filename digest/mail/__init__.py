"""Making mails: rendering an issue once, filling it in for each reader, headers, signatures, themes."""
