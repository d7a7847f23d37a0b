"""The Kubernetes API server: one client, and one file for each kind of thing that is kept there."""
