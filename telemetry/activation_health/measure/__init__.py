"""What is measured of one layer: batches reduced to counts, windows and histograms, in bounded memory."""
