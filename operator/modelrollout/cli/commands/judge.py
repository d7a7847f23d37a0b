"""`judge`: would this gate have fired? One gate over the ticks of past rollouts, as the operator would judge them."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from modelrollout.api.gates import AccuracyGate, Gate
from modelrollout.api.problems import problems_of
from modelrollout.api.quantities import parse_share
from modelrollout.cli.files import opened, read_text
from modelrollout.cli.printing import clean, tell
from modelrollout.cli.target import Failure
from modelrollout.cli.ticks import BadTicks, Series, lines_of, read_ticks
from modelrollout.cli.yamldoc import Unreadable, documents
from modelrollout.core.analysis.backtest import Outcome, backtest
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.registry import definition_of
from modelrollout.core.analysis.stats.alpha_budget import split_shares
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.parameters import FALSE_ROLLBACK
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_bound

_BATCH = 40_000
"""Ticks judged at once: enough to be quick, few enough to stay small."""
_EPOCH = 1e8
"""Times from here on are shown as the clock's, smaller ones as seconds."""
_WIDEST = 40
"""Characters of a name up to which verdicts stand below each other."""
_LARGEST_GATE = 1 << 20
"""Bytes."""

_EPILOG = """\
examples:
  kubectl modelrollout judge --gate gate.yaml ticks.csv
  kubectl modelrollout judge --gate gate.yaml --false-rollback 1% --json ticks.csv

gate.yaml holds one gate as in the resource (ErrorRate, Accuracy or NonFinite), for example
  {name: errors, type: ErrorRate, max: "1%", versusStable: {ratio: 1.25, plus: "0.1%"}}
ticks.csv has the columns rollout,time,candidate_bad,candidate_total,stable_bad,stable_total: one row per tick with what
was counted in it, any number of rollouts, time in seconds. For Accuracy, bad are the wrong answers and total the
labelled ones. The first two ticks only set the expected rate of stable; evidence starts after them. Counters that grow
since a process started are refused: write the difference to the tick before, or --increments if traffic really grew.
"""


@dataclass(frozen=True)
class Judgement:
    """The gate's verdict on one rollout."""

    rollout: str
    verdict: str
    time: float | None
    evidence: float
    message: str

    @property
    def as_json(self) -> str:
        """One JSON object on one line."""
        time = int(self.time) if self.time is not None and self.time == int(self.time) else self.time
        found = {
            "rollout": self.rollout,
            "verdict": self.verdict,
            "time": time,
            "evidence": float(f"{self.evidence:.4g}"),
            "message": self.message,
        }
        # Escaped as JSON, a name survives what cleans a line: escapes, and what build servers obey.
        return json.dumps(found).replace("::", ":\\u003a").replace("##", "#\\u0023")


def judge_ticks(
    gate: Gate, lines: Iterable[str], false_rollback: float = FALSE_ROLLBACK, *, increments: bool = False
) -> list[Judgement]:
    """One judgement per rollout of the CSV `lines`, in order of appearance. Raises BadTicks."""
    tests = definition_of(gate).tests_of(gate)
    assert tests is not None, f"{gate.type} cannot be judged by counts alone"
    allowed = [line for _, line in tests]
    share = split_shares([gate.share])[0]
    series = read_ticks(lines, increments=increments)
    found: dict[str, Judgement] = {}
    for batch in _batches(series):
        ticks = _padded(batch)
        lengths = [len(one.values) for one in batch]
        outcomes = backtest(ticks, lengths, allowed, share=share, false_rollback=false_rollback)
        for one, outcome in zip(batch, outcomes, strict=True):
            found[one.rollout] = _judgement(one, outcome, gate)
    return [found[one.rollout] for one in series]


def _batches(series: Sequence[Series]) -> Iterator[list[Series]]:
    """Rollouts of similar length together, so that little is padded."""
    batch: list[Series] = []
    for one in sorted(series, key=lambda s: len(s.values)):
        if batch and (len(batch) + 1) * len(one.values) > _BATCH:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _padded(batch: Sequence[Series]) -> CountTicks:
    longest = max(len(one.values) for one in batch)
    columns = np.zeros((5, len(batch), longest))
    for row, one in enumerate(batch):
        columns[:, row, : len(one.values)] = one.values.T
        columns[0, row, len(one.values) :] = one.values[-1, 0]
    return CountTicks(columns[0], columns[1], columns[2], columns[3], columns[4])


def _judgement(series: Series, outcome: Outcome, gate: Gate) -> Judgement:
    message = _numbers(outcome, gate)
    if outcome.verdict != "NO_DATA":
        message += f". {say.sentence(_why(series, outcome, gate))}"
    return Judgement(series.rollout, outcome.verdict, outcome.time, math.exp(outcome.log_odds), message)


def _numbers(outcome: Outcome, gate: Gate) -> str:
    bad, total, _, stable_total = outcome.counts
    noun = "labelled answers" if isinstance(gate, AccuracyGate) else "requests"
    if outcome.verdict == "NO_DATA":
        arm = "the candidate" if total <= 0 else "stable"
        return f"no {noun} of {arm} in these ticks: there is nothing to judge"
    rate, what = bad / total if total else 0.0, " wrong" if isinstance(gate, AccuracyGate) else ""
    stable = f" vs stable {say.percent(outcome.stable_rate)}" if stable_total > 0 else ""
    observed, allowed = say.beside(rate, min(outcome.limit, 1.0))
    numbers = f"{observed}{what} ({say.count(bad)}/{say.count(total)})"
    return f"candidate {numbers}{stable}; allowed <= {allowed}"


def _why(series: Series, outcome: Outcome, gate: Gate) -> str:
    if outcome.verdict == "PASS" and outcome.rare:
        total = outcome.counts[1]
        bound = say.margin(float(rare_bound(np.asarray(total))))
        return f"none in {say.count(total)} requests: at most {bound} with 95 % confidence"
    if outcome.verdict == "PASS":
        return say.evidence(0.0, outcome.log_needed, outcome.log_odds)
    odds = say.evidence(outcome.log_odds, outcome.log_needed, 0.0)
    if outcome.verdict == "FAIL":
        return f"{odds}, since about {_when(outcome.began)}"
    times = series.values[:, 0]
    span = float(times[-1] - times[0]) * len(times) / max(len(times) - 1, 1)
    per_second = outcome.counts[1] / span if span > 0 else 0.0
    noun = "labelled answers" if isinstance(gate, AccuracyGate) else "requests"
    return f"{odds}; {say.eta(outcome.left, per_second, noun)}"


def _when(seconds: float) -> str:
    return f"{say.clock(seconds)} UTC" if seconds >= _EPOCH else f"{seconds:g} s"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "judge",
        help="would this gate have fired? one gate over the ticks of past rollouts",
        description="Judge the ticks of past rollouts by one gate, as the operator would have at the time.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gate", type=Path, required=True, metavar="GATE.yaml", help="one gate, as in the resource")
    parser.add_argument("--false-rollback", default="5%", metavar="SHARE", help='the promise (default "5%%")')
    parser.add_argument("--increments", action="store_true", help="the counts are increments even where they only grow")
    parser.add_argument("--json", action="store_true", help="one JSON object per rollout and line")
    parser.add_argument("ticks", metavar="TICKS.csv", help="the ticks; - for stdin")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print one line per rollout; returns 0. Raises Failure where an input cannot be read."""
    gate = _gate(args.gate)
    promise = _promise(args.false_rollback)
    name = "stdin" if args.ticks == "-" else args.ticks
    try:
        with opened(args.ticks) as file:
            judged = judge_ticks(gate, lines_of(file), promise, increments=args.increments)
    except BadTicks as error:
        raise Failure(f"{name}: {error}") from error
    width = min(max(len(clean(one.rollout)) for one in judged), _WIDEST)
    for one in judged:
        when = "" if one.time is None else f" at {_when(one.time)}"
        tell(one.as_json if args.json else f"{clean(one.rollout):{width}}  {one.verdict}{when}: {one.message}")
    return 0


def _promise(text: str) -> float:
    try:
        share = parse_share(text)
    except ValueError as error:
        raise Failure(f"--false-rollback is {text!r}: {error}") from error
    if not 0 < share < 1:
        raise Failure(f'--false-rollback is {text!r}: choose between "0%" and "100%", such as "5%"')
    return share


class _File(BaseModel):
    """A file that holds one gate."""

    gates: list[Gate]
    """A list, as in the resource, so that problems are described alike."""


def _gate(path: Path) -> Gate:
    try:
        found = [document.data for document in documents(read_text(str(path), _LARGEST_GATE))]
    except Unreadable as error:
        raise Failure(f"{path}:{error.place.line}:{error.place.column}: this is not YAML: {error}") from error
    if len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    if len(found) != 1:
        raise Failure(f"{path}: {len(found)} gates where one is expected: keep the one to judge by")
    return _count_gate(path, found[0])


def _count_gate(path: Path, raw: Any) -> Gate:
    if isinstance(raw, dict):
        raw = {"name": "gate", **raw}  # the name says nothing here
    try:
        text = json.dumps({"gates": [raw]}, default=str)
        gate = _File.model_validate_json(text, strict=True, by_name=False).gates[0]
    except ValidationError as error:
        found = [problem.sentence.replace("gates[0]", "gate", 1) for problem in problems_of(error, _File, "")]
        raise Failure(f"{path}: {'; '.join(found)}") from error
    if definition_of(gate).tests_of(gate) is None:
        raise Failure(
            f"{path}: gate.type is {gate.type}: judge replays count gates, so use ErrorRate, Accuracy or NonFinite"
        )
    if gate.method != "Sequential":
        raise Failure(
            f"{path}: gate.method is {gate.method}: judge weighs evidence, so leave it out or write Sequential"
        )
    return gate
