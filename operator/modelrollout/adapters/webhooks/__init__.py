"""Signed POSTs to systems of the operator's configuration, for notifications and for gates."""
