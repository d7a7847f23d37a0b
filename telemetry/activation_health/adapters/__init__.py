"""An adapter finds the activations of one framework's models; what is counted is the same for all."""
