"""What holds for the repository itself: where files lie, and what may import what in the tests."""
