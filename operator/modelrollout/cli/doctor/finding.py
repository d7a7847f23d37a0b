"""One finding: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from modelrollout.api.borders.cleaning import clean, clean_name

Level = Literal["OK", "Warning", "Problem"]
Section = Literal["cluster", "route", "services", "clock", "store", "gates"]
SECTIONS: tuple[Section, ...] = ("cluster", "route", "services", "clock", "store", "gates")
"""In the order in which they are shown: what comes first may be why the rest is as it is."""
LONGEST = 900
"""Characters of a sentence, with what other systems said in it."""


@dataclass(frozen=True)
class Finding:
    """`check` is a constant that does not change from version to version; `fix` is "" where nothing is to be done."""

    section: Section
    check: str
    subject: str
    level: Level
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        """Names and sentences hold what clusters and servers said: bounded and printable from here on."""
        object.__setattr__(self, "subject", clean_name(self.subject))
        object.__setattr__(self, "message", clean(self.message, LONGEST))
        object.__setattr__(self, "fix", clean(self.fix, LONGEST))

    @property
    def as_json(self) -> dict[str, Any]:
        """What `--json` has of it."""
        return {
            "section": self.section,
            "check": self.check,
            "subject": self.subject,
            "level": self.level,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Reporter:
    """Findings about one subject of one section."""

    section: Section
    subject: str

    def ok(self, check: str, message: str) -> Finding:
        """As it should be."""
        return Finding(self.section, check, self.subject, "OK", message)

    def warning(self, check: str, message: str, fix: str = "") -> Finding:
        """To be known; the rollout works."""
        return Finding(self.section, check, self.subject, "Warning", message, fix)

    def problem(self, check: str, message: str, fix: str) -> Finding:
        """Something does not work until it is fixed."""
        return Finding(self.section, check, self.subject, "Problem", message, fix)


def worst(findings: list[Finding] | tuple[Finding, ...]) -> Level:
    """The gravest level among them."""
    levels = {one.level for one in findings}
    return "Problem" if "Problem" in levels else "Warning" if "Warning" in levels else "OK"
