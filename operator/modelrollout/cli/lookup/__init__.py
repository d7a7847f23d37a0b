"""What `plan` and `doctor` both look up: which rollout is meant, the operator that serves it, the server it reads."""
