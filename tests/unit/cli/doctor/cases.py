"""What a test of one finding is made of: how the patient is spoilt, and what must be said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from modelrollout.cli.doctor.finding import Finding, Level
from tests.unit.cli.doctor.patient import Patient


@cache
def healthy() -> list[Finding]:
    """What is found while nothing is wrong."""
    return Patient().findings()


@dataclass(frozen=True)
class Case:
    """`changes` of the patient; the finding `check` at `level`, whose message and fix hold these texts."""

    changes: dict[str, Any]
    check: str
    level: Level
    says: str
    fix: str = ""

    def judge(self) -> None:
        """The finding is there now, and was not before."""
        found = Patient(**self.changes).findings()
        assert any(map(self.is_meant, found)), listed(found)
        assert self.level == "OK" or not any(map(self.is_meant, healthy())), listed(healthy())

    def is_meant(self, found: Finding) -> bool:
        """Whether it is the finding of this case."""
        same = (found.check, found.level) == (self.check, self.level)
        return same and self.says in found.message and self.fix in found.fix


def listed(found: list[Finding]) -> str:
    """For a failed assertion."""
    return "\n".join(f"{one.level} {one.check} {one.subject}: {one.message} | {one.fix}" for one in found)
