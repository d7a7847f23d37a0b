"""A route that Git owns, adopted: in memory, with the real reconciler and what else may write it."""
