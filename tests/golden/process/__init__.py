"""What the process itself says: its adapters' failures, its logs, and what it prints at its start and end."""
