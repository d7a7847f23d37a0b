"""The state machine: what a rollout does in every phase."""
