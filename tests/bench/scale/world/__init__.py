"""What stands in for a cluster of a thousand rollouts: one process that answers as its parts do, and counts."""
