"""What the operator exports of itself and of each rollout, and the port that Prometheus scrapes."""
