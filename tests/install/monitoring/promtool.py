"""Rules on a timeline, by Prometheus' own promtool: which alerts fire when the series are these."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT
from tests.lab import provision

RULES = ROOT / "charts" / "modelrollout" / "files" / "alerts.yaml"

LONG = 600
"""Minutes of a timeline beyond which rules are evaluated every five of them: a day by the minute takes seconds."""


@functools.cache
def promtool() -> str:
    """It comes with the lab's Prometheus."""
    if shutil.which("promtool") is None:
        provision()
    found = shutil.which("promtool")
    assert found is not None
    return found


@dataclass(frozen=True)
class Case:
    """Series by the minute (`0+5x60`), and how many alerts of one name fire at minute `at`, with which labels."""

    title: str
    series: dict[str, str]
    at: int
    fires: tuple[dict[str, str], ...] = ()


def outcome(alert: str, cases: tuple[Case, ...], folder: Path, rules: Path = RULES) -> str:
    """What promtool says of all of them; empty where everything is as it should be."""
    return "".join(
        _run(alert, [case for case in cases if (case.at > LONG) == long], folder, rules, "5m" if long else "1m")
        for long in (False, True)
    )


def _run(alert: str, cases: list[Case], folder: Path, rules: Path, every: str) -> str:
    if not cases:
        return ""
    tests = [_test(alert, case) for case in cases]
    file, needed = folder / "test.yaml", folder / "rules.yaml"
    needed.write_text(yaml.safe_dump({"groups": list(_without_others(alert, rules))}))
    file.write_text(yaml.safe_dump({"rule_files": [str(needed)], "evaluation_interval": every, "tests": tests}))
    done = subprocess.run(
        [promtool(), "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=900
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _without_others(alert: str, rules: Path) -> Iterator[dict[str, Any]]:
    """The groups with this alert and what it reads: the other rules would be evaluated at every minute as well."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    kept: list[dict[str, Any]] = []
    more = [rule for rule in every if rule.get("alert") == alert]
    while more:
        kept += more
        read = " ".join(rule["expr"] for rule in more)
        more = [rule for rule in every if rule.get("record", "no name") in read and rule not in kept]
    for group in groups:
        if any(rule in kept for rule in group["rules"]):
            yield {**group, "rules": [rule for rule in group["rules"] if rule in kept]}


def _test(alert: str, case: Case) -> dict[str, Any]:
    firing = f'sum without (severity) (ALERTS{{alertname="{alert}", alertstate="firing"}})'
    samples = [
        {"labels": _labels({"alertname": alert, "alertstate": "firing", **one}), "value": 1} for one in case.fires
    ]
    return {
        "name": case.title,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": f"{case.at}m", "exp_samples": samples}],
    }


def _labels(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
