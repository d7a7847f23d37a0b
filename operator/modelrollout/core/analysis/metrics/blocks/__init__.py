"""Series that are scraped together, held as one array: what most rollouts have, at a cost of its new samples alone."""
