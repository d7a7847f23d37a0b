"""Routes that Git owns, and copies of requests."""
