"""What makes a pass happen now."""
