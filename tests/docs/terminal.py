"""The README's picture, docs/on-call/status.svg: `python -m tests.docs.terminal` draws it."""

from __future__ import annotations

import io

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from modelrollout.cli.render import render
from tests import ROOT
from tests.unit.cli.rollouts import NOW, at, gate, stepping

PAGE = ROOT / "docs" / "on-call" / "status.svg"
COMMAND = "kubectl modelrollout status digits"
WIDTH = 122
"""Characters."""


def _colours(text: str) -> list[tuple[int, int, int]]:
    return [(code[0], code[1], code[2]) for code in map(bytes.fromhex, text.split())]


#: Of terminals: black, red, green, yellow, blue, magenta, cyan, white.
THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    _colours("484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"),
    _colours("6e7681 ffa198 56d364 e3b341 79c0ff d2a8ff 56d4dd f0f6fc"),
)
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A canary as fast and as accurate as stable, rolled back since three quarters of a layer are dead</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
line-height: {line_height}px; white-space: pre; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<g transform="translate({terminal_x}, 20)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture() -> str:
    """The SVG's text, with the font of whoever looks: nothing is loaded."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, color_system="truecolor", force_terminal=True)
    console.print(f"[bold]$[/bold] {COMMAND}", highlight=False)
    console.print(render(_rolled_back(), 0, NOW))
    drawn = console.export_svg(theme=THEME, code_format=FORMAT, unique_id="status")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def _rolled_back() -> dict[str, object]:
    dead = "layer hidden_1: candidate 76.6 % dead vs stable 8.9 %; allowed <= 27.8 %"
    gates = [
        gate("errors", "ErrorRate", "PASS", observed="0 %", stable="0 %", limit="1 %", samples="1,204"),
        gate("latency", "Latency", "PASS", observed="5 ms", stable="5 ms", limit="10 ms", samples="1,204"),
        gate("accuracy", "Accuracy", "PASS", observed="97.1 %", stable="96.8 %", limit="92 %", samples="1,204"),
        gate(
            *("dead-neurons", "DeadNeurons", "FAIL"),
            layer="hidden_1",
            observed="76.6 %",
            stable="8.9 %",
            limit="27.8 %",
            samples="12 windows",
            message=dead,
        ),
    ]
    end = {"result": "RolledBack", "reason": "GateFailed", "message": f"dead-neurons: {dead}"}
    ended = {"stable": "2", "candidate": "3", **end, "startedAt": at(-1020), "endedAt": at(-300)}
    before = {"stable": "1", "candidate": "2", "result": "Promoted", "reason": "Promoted"}
    promoted = {"message": "version 2 promoted: the bake is over and every limit was kept"}
    history = [before | promoted | {"startedAt": at(-9000), "endedAt": at(-5400)}, ended]
    over = {"step": None, "rollout": None, "nextEvaluation": None, "candidate": None, "stable": "2"}
    refused = {"version": "3", "attempt": 1, "reason": "GateFailed", "message": f"dead-neurons: {dead}", "at": at(-300)}
    found = stepping(phase="RolledBack", reason="GateFailed", message=f"dead-neurons: {dead}", gates=gates, **over)
    found["status"] |= {"history": history, "rejected": refused, "weight": {"desired": 0, "observed": 0}}
    found["spec"]["model"]["version"] = "3"
    return found


if __name__ == "__main__":
    PAGE.write_text(picture())
