"""What leaves the cluster: which, in which words, how often."""
