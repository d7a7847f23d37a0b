"""Nobody waits for somebody else's work: who a piece of work is for, and lines that are fair by that."""
