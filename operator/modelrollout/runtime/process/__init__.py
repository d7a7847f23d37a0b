"""What the process asks of its surroundings."""
