"""Pure decisions: no I/O, no clock, no logging; everything that is known comes in as an argument."""
