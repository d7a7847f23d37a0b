"""The dialog of `make gameday`, without a lab."""
