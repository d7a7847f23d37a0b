"""Equally good retrains: recorded once, measured by every rule, and what is claimed of them."""
