"""From raw samples of series to increments per tick, told apart by version."""
