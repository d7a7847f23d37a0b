"""What `judge` prints of past rollouts, and the sentence for every input that it cannot judge."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from modelrollout.cli.main import main

HEADER = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
_START = 1_700_000_000
GATES = {
    "ErrorRate": "{name: errors, type: ErrorRate}",
    "ErrorRate with a maximum": '{name: errors, type: ErrorRate, max: "1%"}',
    "Accuracy": "{name: accuracy, type: Accuracy}",
    "NonFinite": "{name: non-finite, type: NonFinite}",
}
BAD_GATES = {
    "a gate of another type": "{name: l, type: Latency}",
    "a gate by plain comparison": "{name: e, type: ErrorRate, method: Threshold}",
    "a number for a share": "{name: e, type: ErrorRate, max: 0.01}",
    "an unknown field": "{name: e, type: ErrorRate, maxx: '1%'}",
    "an unknown type": "{name: e, type: Errors}",
    "words": "just words",
    "nothing": "",
    "no YAML": "{",
}
BAD_ROWS = {
    "a negative count": "r,30,-1,5,1,10",
    "more bad than all": "r,30,6,5,1,10",
    "more bad than all of stable": "r,30,1,5,11,10",
    "time goes back": "r,5,1,5,1,10",
    "time stands still": "r,15,1,5,1,10",
    "not a number": "r,30,nan,5,1,10",
    "infinite": "r,30,1,inf,1,10",
    "empty": "r,30,,5,1,10",
    "a word for a number": "r,soon,1,5,1,10",
    "a field is missing": "r,30,1,5,1",
    "no rollout": ",30,1,5,1,10",
    "an open quote": 'r,30,"1,5,1,10',
    "milliseconds": "r,1700000030000,1,5,1,10",
    "microseconds": "r,1700000030000000,1,5,1,10",
    "nanoseconds": "r,1700000030000000000,1,5,1,10",
    "no time at all": "r,1e300,1,5,1,10",
    "a negative time": "r,-30,1,5,1,10",
    "no number for a time": "r,NaN,1,5,1,10",
    "a date": "r,2023-11-14T22:13:50Z,1,5,1,10",
    "seconds since the start and of the clock, mixed": "r,1700000030,1,5,1,10",
    "a decimal comma": 'r,30,1,"5,5",1,10',
    "thousands": 'r,30,1,"5,000",1,10',
    "more than can be counted": "r,30,1,1e300,1,10",
    "a long name": f"{'r' * 300},30,1,5,1,10",
    "a NUL byte": "r,30,1,\0,1,10",
}
BAD_FILES = {
    "an empty file": "",
    "no rows": HEADER,
    "columns are missing": "rollout,time,candidate_bad",
    "a column has another name": f"{HEADER.replace('candidate_total', 'Candidate Totals')}\nr,15,1,5,1,10",
    "semicolons": f"{HEADER}\nr,15,1,5,1,10".replace(",", ";"),
    "tabs": f"{HEADER}\nr,15,1,5,1,10".replace(",", "\t"),
    "no header": "r,15,1,5,1,10",
    "counters": "\n".join([HEADER, *(f"r,{15 * k},{k},{100 * k},{2 * k},{900 * k}" for k in range(1, 12))]),
    "counters of stable alone": "\n".join([HEADER, *(f"r,{15 * k},1,100,{2 * k},{900 * k}" for k in range(1, 12))]),
    "a column twice": f"{HEADER},time\nr,1,1,1,1,1,1,1",
}
BAD_PROMISES = ("0%", "100%", "5", "much")


def _rows(
    name: str, rate: float, *, stable: float = 0.01, ticks: int = 240, per_tick: tuple[int, int] = (38, 712)
) -> list[str]:
    rng = np.random.default_rng(0)
    found = []
    for t in range(ticks):
        mine, theirs = rng.poisson(per_tick[0]), rng.poisson(per_tick[1])
        bad, stable_bad = rng.binomial(mine, rate), rng.binomial(theirs, stable)
        found.append(f"{name},{_START + (t + 1) * 15},{bad},{mine},{stable_bad},{theirs}")
    return found


def _past() -> str:
    rows = [*_rows("bad", 0.06), *_rows("good", 0.004), *_rows("few", 0.01, ticks=12)]
    rows += [*_rows("leaning", 0.03, ticks=10), *_rows("none-bad", 0.0, stable=0.0)]
    rows += [
        *_rows("no-candidate", 0.01, per_tick=(0, 700), ticks=5),
        *_rows("no-stable", 0.01, per_tick=(38, 0), ticks=5),
    ]
    return "\n".join([HEADER, *rows]) + "\n"


def _output(gate: str, ticks: str, *more: str) -> str:
    """What the command prints on either stream, without the folder of its files."""
    with tempfile.TemporaryDirectory() as folder:
        gate_file, ticks_file = Path(folder, "gate.yaml"), Path(folder, "ticks.csv")
        gate_file.write_text(gate)
        ticks_file.write_text(ticks)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(["judge", "--gate", str(gate_file), str(ticks_file), *more])
        return out.getvalue().replace(f"{folder}/", "")


def texts() -> dict[str, str]:
    """By gate: one line for each of the rollouts."""
    found = {name: _output(gate, _past()) for name, gate in GATES.items()}
    found["ErrorRate with a smaller promise"] = _output(GATES["ErrorRate"], _past(), "--false-rollback", "1%")
    found["ErrorRate as JSON"] = _output(GATES["ErrorRate"], _past(), "--json")
    return found


def refusals() -> dict[str, str]:
    """By what is wrong: in the gate, in a row, in the file, on the command line."""
    good, rows = GATES["ErrorRate"], f"{HEADER}\nr,15,1,5,1,10\n"
    found = {f"gate: {title}": _output(gate, rows) for title, gate in BAD_GATES.items()}
    found |= {f"ticks: {title}": _output(good, f"{rows}{row}\n") for title, row in BAD_ROWS.items()}
    found |= {f"ticks: {title}": _output(good, text) for title, text in BAD_FILES.items()}
    found |= {f"--false-rollback {text}": _output(good, rows, "--false-rollback", text) for text in BAD_PROMISES}
    return found
