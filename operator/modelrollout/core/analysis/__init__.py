"""What the samples say of a version: statistics, the series they come from, and the gates that ask."""
