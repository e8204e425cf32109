"""Two newspapers that do not exist: their articles, feeds, pages and pictures, served on loopback."""
