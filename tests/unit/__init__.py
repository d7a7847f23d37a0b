"""Tests that need no component, in seconds; the folders mirror operator/modelrollout."""
