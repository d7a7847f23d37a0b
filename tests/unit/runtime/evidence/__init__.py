"""What is remembered of a rollout's samples: how late they may be, and how many are held."""
