"""What the operator costs and how quickly it acts: `python -m tests.bench.cost`."""
