"""What comes in is bounded and printable (cleaning), and what goes into a status fits into it (bounds)."""
