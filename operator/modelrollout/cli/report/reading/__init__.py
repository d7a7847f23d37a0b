"""What the API server and Prometheus say of one rollout; what cannot be read is a sentence."""
