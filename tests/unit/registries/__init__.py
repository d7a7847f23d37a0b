"""Model registries follow rollouts."""
