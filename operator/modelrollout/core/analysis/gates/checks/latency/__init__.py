"""The checks of a latency gate: its histograms, its evidence, and what is shown of it."""
