"""Whose series a gate reads, and what becomes of gates that nobody here can judge."""
