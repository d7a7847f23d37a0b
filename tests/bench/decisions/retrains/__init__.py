"""Equally good retrains: recorded once, judged against each other, and what is claimed of them."""
