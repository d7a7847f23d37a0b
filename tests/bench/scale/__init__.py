"""What one operator costs with so many rollouts: `python -m tests.bench.scale`."""
