"""The transition table as a Mermaid state diagram, so that the README never shows another machine than the code."""

from __future__ import annotations

from typing import Final

from modelrollout.api.status import Phase
from modelrollout.core.rollout.phases import EXPOSED, REFUSED, RUNNING, TRANSITIONS, Trigger

GROUPS: Final[dict[str, tuple[str, tuple[Phase, ...]]]] = {
    "Running": ("any phase of a rollout", RUNNING),
    "Exposed": ("any phase with traffic on the candidate", EXPOSED),
    "Refused": ("RolledBack or Rejected", REFUSED),
}


def diagram() -> str:
    """The table as a Mermaid state diagram; rows that all phases of a group share are drawn once, from the group."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for trigger in Trigger:
        targets = {phase: target for (phase, row), target in TRANSITIONS.items() if row is trigger}
        for source, target in _grouped(targets):
            arrows.setdefault((source, target), []).append(trigger.value)
    groups = [f'    state "{title}" as {name}' for name, (title, _) in GROUPS.items()]
    lines = [f"    {source} --> {target}: {' / '.join(texts)}" for (source, target), texts in arrows.items()]
    return "\n".join(["stateDiagram-v2", *groups, "    [*] --> Adopting", *lines])


def _grouped(targets: dict[Phase, Phase]) -> list[tuple[str, str]]:
    """(source, target) of every row of one trigger, the largest groups first."""
    left, found = dict(targets), []
    for name, (_, phases) in GROUPS.items():
        ends = {left.get(phase) for phase in phases}
        if len(ends) == 1 and (end := ends.pop()) is not None:
            found.append((name, str(end)))
            left = {phase: target for phase, target in left.items() if phase not in phases}
    return [*((str(phase), str(target)) for phase, target in left.items()), *found]
