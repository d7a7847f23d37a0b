"""A person watches a good version go live and two bad ones come back; the exit code says whether they did."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from modelrollout.adapters.kubernetes.client import connect
from modelrollout.api.gates import Gate
from modelrollout.api.quantities import format_duration
from modelrollout.api.spec import Analysis, Spec
from modelrollout.api.status import GateStatus, Status
from modelrollout.cli.live import follow
from modelrollout.cli.printing import clean
from modelrollout.cli.words import span
from modelrollout.core.analysis.stats import limits
from tests.e2e.support.live_rollout import NAME, LiveRollout, gates
from tests.e2e.support.rollouts import Rollouts
from tests.lab import Lab, say

if TYPE_CHECKING:
    from tests.lab import LoadClient

NAMESPACE = "vision"
RATE = 50.0
CHANGES: dict[str, Any] = {
    "gates": gates("errors", "latency", "accuracy", "dead-neurons", "non-finite"),
    "steps": [{"weight": weight, "hold": "10s"} for weight in (10, 30, 50)],
    "bake": "10s",
}
#: (version, how its rollout must end, what the reason must name)
EXPECTED = (
    (2, "Promoted", "every limit was kept"),
    (3, "RolledBack", "dead-neurons"),
    (5, "RolledBack", "against the candidate"),
)
DEADLINE = 150.0
INTERRUPTED = 130

EPILOG = """\
what happens:
  1. etcd, kube-apiserver, Traefik, Prometheus and four Tritons start on 127.0.0.1, and the operator with the rights
     that the chart gives it. The first run installs and builds what is missing, which takes some minutes.
  2. Version 1 of a digits classifier is adopted, and a client sends it labelled requests, without a pause.
  3. spec.model.version becomes 2, a network trained for longer: it is promoted.
  4. spec.model.version becomes 3: as accurate and as quick, but three quarters of a layer are dead. It is rolled back.
  5. spec.model.version becomes 5: one answer in five carries NaN. It is rolled back, with the odds against it.

What you see is `kubectl modelrollout status digits -n vision -w`. Where there is no terminal, a line is printed for
every change. Ctrl-C stops everything that was started; nothing is left behind.
Exit code: 0 when every version ended as expected, 1 when it did not, 130 after Ctrl-C.
"""


def main() -> int:
    """The whole demonstration; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.demo",
        description="Promote a good version of a model and roll a bad one back, on real components.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="keep everything running at the end, until Ctrl-C")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    began = time.monotonic()
    say("starting the API server, the gateway and Prometheus")
    try:
        found = _interruptible(console, keep=given.keep)
    except (AssertionError, OSError, RuntimeError, TimeoutError) as error:
        console.print(f"The demo could not run: {error}", style="bold red", markup=False, highlight=False)
        found = 1
    say(f"all stopped; {span(time.monotonic() - began)} in all")
    return found


def _interruptible(console: Console, *, keep: bool) -> int:
    with ExitStack() as stack:
        try:
            return _play(stack.enter_context(Lab()), stack, console, keep=keep)
        except KeyboardInterrupt:
            console.print("interrupted: stopping everything that was started", style="yellow")
            return INTERRUPTED


def _play(lab: Lab, stack: ExitStack, console: Console, *, keep: bool) -> int:
    say("starting Triton with versions 1, 2, 3 and 5, and the operator")
    live = Rollouts(lab.member, NAMESPACE, stack).start(1, 2, 3, 5, rate=RATE, operate={"fresh": True})
    _explain(console, Spec.model_validate_json(json.dumps(live.spec(1, **CHANGES)), by_alias=True))
    client = live.adopt(1, **CHANGES)
    assert client is not None, "a client was asked for"
    ended: list[Status] = []
    for version, _, _ in EXPECTED:
        console.rule(f"spec.model.version: {version}")
        live.version(version)
        ended.append(asyncio.run(_watch(live, console, len(ended) + 2)))
    client.stop()
    found = _report(console, ended, client)
    if keep:
        _wait(console, live)
    return found


async def _watch(live: LiveRollout, console: Console, entries: int) -> Status:
    """What `status -w` shows, until the history has so many entries; TimeoutError after DEADLINE."""

    def over(status: Status) -> bool:
        return len(status.history) >= entries

    async with asyncio.timeout(DEADLINE), await connect(str(live.member.site.kubeconfig)) as api:
        return await follow(api, NAMESPACE, NAME, console, over)


def _explain(console: Console, spec: Spec) -> None:
    """Where this demonstration is quicker or looser than the defaults, read from both."""
    table = Table("Setting", "Here", "Default", box=None, padding=(0, 3, 0, 0), title_justify="left")
    table.title = "Where this demonstration is quicker or looser than the defaults:"
    for field in ("interval", "minimum_requests", "warmup", "ready_for"):
        here, usual = getattr(spec.analysis, field), getattr(Analysis(), field)
        table.add_row(f"analysis.{field}", *(_figure(field, each) for each in (here, usual)))
    holds = " ".join(f"{step.weight} %/{format_duration(step.hold)}" for step in spec.steps)
    table.add_row("steps, bake", f"{holds}, {format_duration(spec.bake)}", "minutes each, bake 15m")
    for gate in spec.gates:
        here, usual = _limit(gate), _usual(gate)
        if here != usual:
            table.add_row(f"gate {gate.name}", here, usual)
    console.print(table)
    text = "A few requests a second prove little in a few seconds, so the limits are wider and the steps are short.\n"
    console.print(text, style="dim")


def _figure(field: str, value: float) -> str:
    return str(value) if field == "minimum_requests" else format_duration(value)


def _limit(gate: Gate) -> str:
    """What a gate allows the candidate, in words."""
    found = getattr(gate, "versus_stable", None)
    if found is None:
        return _usual(gate)
    if gate.type == "Latency":
        return f"p{100 * gate.quantile:g} within {found.buckets} buckets of stable's"
    most = getattr(gate, "max", None)
    absolute = f", at most {100 * most:g} %" if most else ""
    return _line(limits.LimitLine(found.ratio, found.plus)) + absolute


def _usual(gate: Gate) -> str:
    """What a gate of this type allows when the manifest sets no limit."""
    if gate.type == "Latency":
        return "p99 within 1 bucket of stable's"
    known = {"ErrorRate": limits.ERROR_RATE, "Accuracy": limits.ACCURACY, "NonFinite": limits.NON_FINITE}
    return _line(known.get(gate.type, limits.DEAD_RETRAIN))


def _line(line: limits.LimitLine) -> str:
    return f"{line.ratio:g} x stable's + {100 * line.plus:g} %"


def _report(console: Console, ended: list[Status], client: LoadClient) -> int:
    """One line per rollout and one for the client; 0 when all of it went as expected."""
    console.rule("what happened")
    good = True
    for status, (version, result, named) in zip(ended, EXPECTED, strict=True):
        entry = status.history[-1]
        right = entry.candidate == str(version) and entry.result == result and named in entry.message
        good = good and right
        took = f"{entry.ended_at - entry.started_at:.0f} s"
        text = f"{NAME} {entry.stable} -> {entry.candidate}: {entry.result} in {took}, {entry.message}"
        console.print(clean(text), style="green" if right else "red", markup=False, highlight=False, soft_wrap=True)
        for gate in status.gates:
            console.print(clean(_grounds(gate)), style="dim", markup=False, highlight=False, soft_wrap=True)
    by_version = ", ".join(f"{count} by version {version}" for version, count in sorted(client.versions().items()))
    text = f"client: {len(client.answers)} answers ({by_version}), {len(client.failed)} failed"
    console.print(text, style="red" if client.failed else "green", highlight=False, soft_wrap=True)
    if not good or client.failed:
        told = ", then ".join(f"{version}: {result}" for version, result, _ in EXPECTED)
        console.print(f"This is not what was expected ({told}, 0 failed answers).", style="bold red", highlight=False)
        return 1
    return 0


def _grounds(gate: GateStatus) -> str:
    """What a gate had seen when the rollout ended."""
    layer = f" ({gate.layer})" if gate.layer else ""
    evidence = f"; evidence {gate.evidence}" if gate.evidence else ""
    value, stable = gate.observed or "nothing yet", gate.stable or "nothing"
    return f"    {gate.verdict:<8} {gate.name}{layer}: {value}, stable {stable}, {gate.samples}{evidence}"


def _wait(console: Console, live: LiveRollout) -> None:
    console.print(
        f"Still running, until Ctrl-C:\n  export KUBECONFIG={live.member.site.kubeconfig}\n"
        f"  kubectl get mro -n {NAMESPACE}\n  kubectl modelrollout status {NAME} -n {NAMESPACE}",
        markup=False,
        highlight=False,
    )
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
