"""Two versions that are alike: what every gate must let go on, however its metrics are laid out."""
