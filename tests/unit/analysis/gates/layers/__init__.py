"""Gates on the layers of a model, from samples as Prometheus holds them."""
