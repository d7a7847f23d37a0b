"""Counting on a GPU: one kernel a layer writes to a buffer of the device; a thread reads it once a second."""
