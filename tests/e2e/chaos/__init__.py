"""Random kills and faults over many rollouts, and the rules that judge what was recorded."""
