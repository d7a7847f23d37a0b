"""The README's state diagram is generated from the transition table: `python -m tests.readme` writes it."""

from __future__ import annotations

from modelrollout.core.rollout.phase_diagram import diagram
from tests import ROOT

README = ROOT / "README.md"
START, END = "<!-- diagram:start -->", "<!-- diagram:end -->"


def with_diagram(text: str) -> str:
    """`text` with the present diagram between its markers."""
    before, rest = text.split(START)
    return f"{before}{START}\n\n```mermaid\n{diagram()}\n```\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(with_diagram(README.read_text()))
