"""Whose word a series is."""
