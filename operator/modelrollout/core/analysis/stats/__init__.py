"""Evidence from counts, windows and plain values: numbers in, numbers out; no gate, no series, no resource."""
