"""What the API server has shown lately of the rollouts under way, and whether it still is so."""
