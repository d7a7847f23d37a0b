"""From a rollout's identity to its verdicts: what is fetched and remembered, and what is made of it."""
