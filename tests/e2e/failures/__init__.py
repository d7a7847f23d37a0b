"""What fails around a rollout: the operator, its leader, the API server, the status itself."""
