"""Faults in real processes, counted at the receiving server. Run by ``make faults``."""
