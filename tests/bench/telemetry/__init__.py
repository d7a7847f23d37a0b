"""What watching activations costs a model server: `python -m tests.bench.telemetry`."""
