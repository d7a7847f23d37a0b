"""The real components, one file each: what starts it, where it listens, what it needs."""
