"""From raw samples of series to increments per tick, separated by version."""
