"""`plan`: which rollout is meant, what the store holds of stable, and what is shown of it."""
