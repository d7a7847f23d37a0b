"""Who claims which requests of which Gateway."""
