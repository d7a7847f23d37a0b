"""What traffic can prove: how soon a verdict comes, and what a few rare events exclude."""
