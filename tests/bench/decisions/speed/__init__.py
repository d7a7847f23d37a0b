"""How soon a change is found, beside the least that the same promise allows."""
