"""Where the split stands on a route that is not the operator's own: a gateway names its series after that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GitRule:
    """One rule of one route."""

    route: str
    """Name of the route."""
    rule: int
    """The rule's place among the route's rules, from 0."""
    backends: tuple[tuple[str, int], ...]
    """(version, place among the rule's backends, from 0), of every version that the rule leads to."""
    filtered: bool = False
    """Whether every backend carries a filter of its own: without, some gateways count a rule as one."""

    def index_of(self, version: str) -> int:
        """The place of a version's backend; -1 where the rule has none."""
        return dict(self.backends).get(version, -1)
