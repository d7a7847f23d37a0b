"""Which versions are promoted and which are rolled back, and what the verdict rests on."""
