"""Requests beyond an edge: the tests that latency is made of."""
