"""Pure: facts in, one HTML page out. Elements are built, never glued together from text, so that nothing escapes."""
