"""Where the traffic goes: back at once, away from what is unwell, and never held hostage."""
