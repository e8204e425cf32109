"""Articles, feeds, editions, schedules, the archive."""
