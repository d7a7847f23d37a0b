"""Prometheus: samples, or a typed failure."""
