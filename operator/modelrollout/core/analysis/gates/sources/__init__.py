"""Whose series a gate reads, and whether anybody here exports what it needs."""
