"""What is said to the person on call and what they answer: a plain terminal, 80 columns, no lab behind it."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from modelrollout.cli.printing import clean
from modelrollout.cli.runbooks import sections, spoken
from tests.e2e.gameday.cases import BEST, Case, Choice

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 80


class Left(Exception):  # noqa: N818 - named for what it says
    """The person has gone home."""


@dataclass
class Desk:
    """`answers`: "" for a person at `source`; "best" and "random" are the machine's."""

    source: TextIO
    order: random.Random
    answers: str = ""
    console: Console = field(default_factory=lambda: Console(width=WIDTH, highlight=False, markup=False, emoji=False))
    given: list[tuple[Case, Choice]] = field(default_factory=list)

    def say(self, text: str, style: str = "") -> None:
        """A paragraph within the width."""
        for line in text.splitlines() or [""]:
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            self.console.print(textwrap.fill(clean(line), WIDTH, subsequent_indent=indent), style=style, soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        self.console.print(what)

    def head(self, text: str) -> None:
        self.say("")
        self.say(f"== {text} ".ljust(WIDTH, "="), "bold")

    def ask(self, case: Case) -> Choice:
        """What they would do. Raises Left."""
        choices = list(case.choices)
        self.order.shuffle(choices)
        self.say("\nWhat do you do?")
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}  {choice.text}")
        self.say("  ?  the runbook     q  go home")
        chosen = self._answer(case, choices)
        self.given.append((case, chosen))
        return chosen

    def _answer(self, case: Case, choices: list[Choice]) -> Choice:
        if self.answers:
            best = max(choices, key=lambda one: one.points)
            chosen = best if self.answers == "best" else self.order.choice(choices)
            self.say(f"> {choices.index(chosen) + 1}")
            return chosen
        while True:
            self.console.print("> ", end="")
            line = self.source.readline()
            word = line.strip().lower()
            if not line or word == "q":
                self.say("")
                raise Left
            if word == "?":
                self.runbook(case)
            elif word.isdecimal() and 1 <= int(word[:4]) <= len(choices):
                return choices[int(word[:4]) - 1]
            else:
                self.say(f"Type a number from 1 to {len(choices)}, ? for the runbook, or q.")

    def runbook(self, case: Case) -> None:
        name = case.section
        self.say(f"kubectl modelrollout explain {name}", "bold")
        for line in spoken(name):
            self.say(line)

    def judge(self, case: Case, choice: Choice) -> None:
        """How good the answer was, and where to read on."""
        style = {BEST: "green", 0: "red"}.get(choice.points, "yellow")
        self.say(f"{choice.points} of {BEST} points: {choice.why}.", style)
        self.say(f"Lesson: {case.lesson}")
        self.say(f"Read: {link(case)}")

    def score(self) -> tuple[int, int]:
        """Say what the shift was worth: (points, of how many)."""
        got, most = sum(choice.points for _, choice in self.given), BEST * len(self.given)
        self.head("your shift")
        for case, choice in self.given:
            self.say(f"{case.name:<12} {choice.points} of {BEST}  {choice.text}")
        self.say(f"{got} of {most} points." if most else "Nothing struck while you were here.", "bold")
        for case, choice in self.given:
            if choice.points < BEST:
                self.say(f"Read again: {link(case)}")
        return got, most


def link(case: Case) -> str:
    """Where the runbook stands in this repository."""
    name = case.section
    return f"docs/runbooks/{sections()[name][0]}.md#{name.lower()}"
