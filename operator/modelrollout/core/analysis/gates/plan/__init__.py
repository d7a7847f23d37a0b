"""What stable's own traffic can prove before the deadline: the engine's evidence over the steps that are to come.

Nothing is simulated: the counts of a tick are those to expect, whole requests and whole bad ones, so that a path of
them leads where the median rollout goes. How near is measured in tests/unit/analysis/gates/plan.
"""
