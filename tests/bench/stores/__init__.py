"""How late a store is: a new target's first sample, the newest sample, the newest value of a Query gate."""
