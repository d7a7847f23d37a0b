"""One file for each type of gate: what it reads, how it is judged and what it says."""
