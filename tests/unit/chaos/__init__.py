"""What judges chaos is judged itself."""
