"""A golden set: where it comes from, what of it is believed, and whether it fits the model."""
