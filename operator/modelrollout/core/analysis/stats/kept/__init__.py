"""What evidence takes over from the evaluation before."""
