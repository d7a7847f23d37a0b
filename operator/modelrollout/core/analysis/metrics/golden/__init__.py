"""What the prober counted of a pre-flight, read as if the versions' users had been there."""
