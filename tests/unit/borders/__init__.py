"""What comes in from outside: hostile texts, numbers and objects at every border, and defects inside."""
