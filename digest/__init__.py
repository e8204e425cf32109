"""digest: a self-hosted newsletter digest mailer (see ARCHITECTURE.md for the words and the floors)."""

__version__ = "0.2.0"
