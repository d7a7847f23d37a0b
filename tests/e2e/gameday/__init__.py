"""`make gameday`: a person is on call, faults strike real components, and the product says and does what it does."""
