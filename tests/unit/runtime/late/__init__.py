"""Samples that come late, out of order or not at all."""
