"""Ours beside real Flagger and real Argo Rollouts, on the same canaries: `python -m tests.bench.peers`."""
