"""How a stake is spread over moments and alternatives, and what it becomes."""
