"""What holds for the repository itself: where files lie, what may import what, what is declared, locked and retried."""
