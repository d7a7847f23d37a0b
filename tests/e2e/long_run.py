"""One rollout with every default untouched, from first request to promotion; its timeline becomes a page of the docs.

`python -m tests.e2e.long_run --write docs/long-run.md` takes about fifty minutes and exits with 1 unless version 2 is
promoted without a failed request.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.operator import grant
from tests.lab import Lab, OperatorProcess

NAMESPACE = "long-run"
RATE = 30.0
SCRAPE = 15.0
STEPS = [{"weight": 5, "hold": "10m"}, {"weight": 25, "hold": "10m"}, {"weight": 50, "hold": "10m"}]
ALONE = 60.0
LONGEST = 75 * 60.0
HEADER = """\
# One long run with the defaults

Written by `python -m tests.e2e.long_run --write docs/long-run.md` on real components: API server, Traefik, Prometheus
with its usual scrape interval of 15 s, two Triton servers. Versions 1 and 2 of the digits model; 2 is better. The
operator's configuration names the Prometheus server and nothing else; the resource says what it must (model, service,
gateway, three steps of ten minutes) and leaves bake, gates and analysis to their defaults.
[reliability.md](reliability.md#one-long-run-with-the-defaults)
explains what the run shows.
"""


@dataclass
class Timeline:
    """What status said, one line per change of phase, weight or reason; and the gates as they stood at each."""

    began: float
    rows: list[tuple[float, str, str, str, str]] = field(default_factory=list)
    gates: list[tuple[float, str, list[dict[str, Any]]]] = field(default_factory=list)

    def note(self, status: dict[str, Any], weight: int) -> None:
        key = (status.get("phase", ""), f"{max(weight, 0)} %", status.get("reason", ""))
        if self.rows and self.rows[-1][1:4] == key:
            return
        before = self.rows[-1][1:3] if self.rows else None
        self.rows.append((time.time() - self.began, *key, status.get("message", "")))
        if before is not None and before != key[:2] and status.get("gates"):
            self.gates.append((time.time() - self.began, f"{key[0]}, {key[1]}", status["gates"]))


def clock(seconds: float) -> str:
    """Minutes and seconds since the version was changed."""
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"


def cell(text: object) -> str:
    return str(text if text is not None else "").replace("|", "\\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cell(c) for c in row) + " |" for row in rows)])


def page(line: Timeline, live: LiveRollout, answers: str) -> str:
    """The whole page."""
    rows = [(clock(at), *rest) for at, *rest in line.rows]
    parts = [HEADER, "## What status said\n", table(("mm:ss", "phase", "candidate", "reason", "message"), rows)]
    parts.append("\n## The gates whenever phase or weight changed\n")
    for at, where, gates in line.gates:
        found = [(g["name"], g["verdict"], g.get("observed"), g.get("stable"), g.get("samples")) for g in gates]
        parts += [
            f"### {clock(at)}: {where}\n",
            table(("gate", "verdict", "candidate", "stable", "samples"), found),
            "",
        ]
    events = [(reason, note) for reason, note in live.events()]
    parts += ["## Events, in their order\n", table(("reason", "note"), events)]
    parts += ["\n## What clients saw\n", answers, ""]
    return "\n".join(parts)


def operator(lab: Lab) -> OperatorProcess:
    """With the chart's rights and arguments, its own lease duration, and a configuration of one line."""
    account, charted = grant(lab.member, NAMESPACE)
    kept = [argument for argument in charted if not argument.startswith("--lease-duration")]
    file = lab.folder / "operator.yaml"
    file.write_text(yaml.safe_dump({"prometheus": [{"url": lab.site.prometheus}]}))
    kubeconfig = lab.member.service_account_kubeconfig(NAMESPACE, account)
    given = [*kept, f"--config={file}", "--health-port=0"]
    env = {"POD_NAMESPACE": NAMESPACE, "POD_NAME": "operator"}
    return OperatorProcess(lab.site, kubeconfig, given, name=NAMESPACE, env=env)


def spec(live: LiveRollout, version: int) -> dict[str, Any]:
    """Only what has no default."""
    made = live.spec(version)
    return {key: made[key] for key in ("model", "serving", "traffic")} | {"steps": STEPS}


def run(write: Path, stack: ExitStack) -> bool:
    lab = stack.enter_context(Lab(scrape=SCRAPE))
    scenario = stack.enter_context(lab.scenario(NAMESPACE))
    scenario.serve(1, 2)
    live = LiveRollout(lab.member, scenario)
    live.record = stack.enter_context(scenario.record_route())
    stack.enter_context(operator(lab).start())
    meta = {"name": live.name, "namespace": NAMESPACE}
    resource = {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelRollout", "metadata": meta}
    lab.kube.apply(resource | {"spec": spec(live, 1)})
    live.wait("version 1 adopted", lambda s: s.get("stable") == "1", 120)
    live.wait_served()
    client = stack.enter_context(scenario.client(rate=RATE, limit=2 * LONGEST))
    time.sleep(ALONE)
    live.version(2)
    line, written = Timeline(time.time()), 0.0
    print(f"version 2 asked for; status is polled, {write} is written every minute", flush=True)
    while True:
        status = live.status()
        line.note(status, live.weight(2))
        over = bool(status.get("history")) and status.get("candidate") is None and len(line.rows) > 2
        over = over or time.time() - line.began > LONGEST
        if over or time.time() - written > 60:
            written = time.time()
            seen = ", ".join(f"{count} of version {v}" for v, count in sorted(client.versions().items()))
            answers = f"{len(client.answers)} requests in {clock(time.time() - line.began + ALONE)}, "
            answers += f"{len(client.failed)} failed; answers: {seen}."
            write.write_text(page(line, live, answers))
        if over:
            client.stop()
            good = (status.get("history") or [{}])[-1].get("result") == "Promoted" and not client.failed
            print(f"{'as it should' if good else 'NOT PROMOTED'}: {status.get('message')}", flush=True)
            return good
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.long_run", description=__doc__)
    parser.add_argument("--write", type=Path, required=True, metavar="FILE", help="the page to write, in Markdown")
    given = parser.parse_args()
    with ExitStack() as stack:
        return 0 if run(given.write.resolve(), stack) else 1


if __name__ == "__main__":
    sys.exit(main())
