"""What several gates are made of: counts, windows and shares per layer, and the checks of one limit."""
