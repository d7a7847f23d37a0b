"""A counter as its process counts it: without bad samples, under all the names it had, on the edges it has."""
