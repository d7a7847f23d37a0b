"""What the tools stand in: backends, clients, workloads that get ready, and the record of every weight."""
