"""How soon the running operator finds a change: whole rollouts on real components, beside the same counts offline."""
