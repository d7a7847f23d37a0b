"""What leaves the cluster: the queue of each sink, and a test of them."""
