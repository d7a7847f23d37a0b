"""Activation statistics for one model version, measured inside the model server."""
