"""Two pure programs that never import each other: a state machine, and the analysis that advises it.

`rollout` decides. `decide(spec, status, observation, now)` gives the next status, the route to write and what to say
of it; `rollout/phases.py` has the one table of transitions, from which the diagram in the README is made.

`analysis` judges. `evaluate(gates, gate_input, now, names)` gives every gate's verdict at one closed tick;
`analysis/gates` has one file a gate type, `analysis/metrics` turns samples into increments, `analysis/stats` turns
increments into evidence.

Between them stand plain values: `observation.py` (what was seen of route, versions and commands), `evaluation.py` (what
is asked of the analysis, and what it answers), `finding.py` and `reasons.py` (how both name what they found). Nothing
here reads a clock, a file or a socket: time is an argument, and the same input gives the same answer.
"""

from modelrollout.core.analysis.gates.evaluate import evaluate
from modelrollout.core.rollout.decide import decide

__all__ = ["decide", "evaluate"]
