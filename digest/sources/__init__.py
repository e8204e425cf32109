"""What comes in, as far as it is pure: feeds and pages read, articles told apart."""
