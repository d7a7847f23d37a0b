"""How much of one metric was found."""

from __future__ import annotations

from dataclasses import dataclass

from modelrollout.core.analysis.metrics.series import Target


@dataclass(frozen=True)
class Found:
    """The series of one metric and one arm. `newest` in epoch seconds, `gap` between scrapes in seconds or None."""

    series: int = 0
    targets: frozenset[Target] = frozenset()
    newest: float = 0.0
    gap: float | None = None

    def with_(self, other: Found) -> Found:
        """Both together."""
        gaps = [one for one in (self.gap, other.gap) if one is not None]
        return Found(
            self.series + other.series,
            self.targets | other.targets,
            max(self.newest, other.newest),
            max(gaps) if gaps else None,
        )
