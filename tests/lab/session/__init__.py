"""A running lab, and how a test joins it: the lab itself, its members and their scenarios."""
