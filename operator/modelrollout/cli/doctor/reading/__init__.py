"""From the cluster and the Prometheus server to facts; what may not be read is a fact too."""
