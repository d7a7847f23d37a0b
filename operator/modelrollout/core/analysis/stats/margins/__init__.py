"""Margins over stable that are no plain lines."""
