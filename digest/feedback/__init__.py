"""What comes back, as far as it is pure: bounces and complaints, clicks, trials of subjects."""
