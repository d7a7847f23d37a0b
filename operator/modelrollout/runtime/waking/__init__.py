"""What is news to a pass."""
