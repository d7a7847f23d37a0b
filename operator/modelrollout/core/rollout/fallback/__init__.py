"""What is left of a decision when building it fails: lowering from a few facts, and a status of constants."""
