"""Each gate's verdict and sentence, from samples as Prometheus holds them."""
