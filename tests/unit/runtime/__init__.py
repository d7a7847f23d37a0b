"""Whole passes over memory: the real reconciler with no API server and no Prometheus."""
