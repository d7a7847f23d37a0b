"""Measurements that end in a document, not in a pass or a fail."""
