"""From spec, status and what was observed to one decision: phases, checks, transitions, routes."""
