"""What the operator costs and how quickly it acts: measured on real components, printed, never asserted."""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from modelrollout.api.timestamps import parse_timestamp
from tests import ROOT
from tests.bench.cost.calls import Calls, count, count_for
from tests.bench.cost.evaluation.section import TITLE, section
from tests.bench.cost.tables import table
from tests.bench.cost.visibility import Visibility
from tests.bench.scale.page import section_in, with_section
from tests.e2e.support.live_rollout import API, KIND, NAME, LiveRollout, gates
from tests.e2e.support.rollouts import Rollouts
from tests.lab import Lab, say

if TYPE_CHECKING:
    from tests.lab import FaultProxy

RATE = 50.0
INTERVAL = 2.0
#: Seconds around a route write that belong to the same decision; evaluations are further apart in that part.
BEFORE, AFTER, APART = 0.6, 1.5, 6.0
BATCH = 10
DOCS = ROOT / "docs" / "cost.md"

EPILOG = """\
what is measured:
  reaction   From the moment when every sample of the breaching tick could be read from Prometheus (by an independent
             poller, every 40 ms) and the tick was over, until the API server shows the route without the candidate.
             The tick counted from is the one after the last that the operator recorded without a breach.
  calls      Requests that reach the API server (watches and the Lease aside) and Prometheus, counted by proxies.
  memory     Resident memory and CPU of the operator's process at its default settings, with idle rollouts.
  evaluation CPU of one evaluation, samples from memory: from scratch, and by a process that goes on; needs no lab.

It needs the machine for itself: other work shows in every figure. It starts its own lab and leaves nothing behind.
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rollbacks: int
    idle: int
    seconds: float


PARTS = ("reaction", "calls", "memory", "evaluation")
FULL, QUICK = Size(8, 200, 45.0), Size(3, 50, 20.0)


def main() -> int:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.cost",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="*", help=f"measure only these: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rollbacks and idle rollouts")
    parser.add_argument("--write", action="store_true", help="write docs/cost.md, too (all parts are measured then)")
    given = parser.parse_args()
    unknown = set(given.part) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    chosen = PARTS if given.write or not given.part else tuple(given.part)
    text = _measure(chosen, QUICK if given.quick else FULL)
    if given.write:
        others = section_in(DOCS.read_text())  # measured by itself
        DOCS.write_text(with_section(text, others) if others else text)
    return 0


def _measure(chosen: tuple[str, ...], size: Size) -> str:
    """The report; every part is printed as soon as it is known."""
    began = time.monotonic()
    texts = [_header(size)]
    with ExitStack() as labs:
        lab = labs.enter_context(Lab()) if set(chosen) - {"evaluation"} else None
        for part in chosen:
            say(f"measuring {part}")
            with ExitStack() as stack:
                texts.append(
                    _evaluation()
                    if lab is None or part == "evaluation"
                    else MEASURES[part](Rollouts(lab.member, f"bench-{part}", stack), size)
                )
            print(f"\n{texts[-1]}\n", flush=True)
    say(f"done in {time.monotonic() - began:.0f} s")
    return "\n\n".join(texts) + "\n"


def _header(size: Size) -> str:
    machine = f"{psutil.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    return (
        "# What the operator costs\n\n"
        "Measured by `make bench` (`python -m tests.bench.cost --write`), which starts a real API server, gateway,\n"
        f"Prometheus (scraping every second) and Triton on the same machine: {machine}.\n"
        f"{size.rollbacks} rollbacks, {size.idle} idle rollouts. Times differ between machines; counts should not."
    )


def _story(rollouts: Rollouts, *versions: int, **config: Any) -> tuple[LiveRollout, FaultProxy, FaultProxy]:
    """A rollout whose operator reaches the API server and Prometheus through counting proxies."""
    api = rollouts.member.api_faults()
    prometheus = rollouts.member.http_faults(rollouts.member.site.prometheus)
    operate = {"api": api.url, "prometheus": prometheus.url, "probeInterval": "500ms", "fresh": True} | config
    return rollouts.start(*versions, rate=RATE, operate=operate), api, prometheus


def _reaction(rollouts: Rollouts, size: Size) -> str:
    live, api, _ = _story(rollouts, 1, 3)
    steps = [{"weight": 40, "hold": "10m"}]
    live.adopt(gates=gates("errors", "dead-neurons"), steps=steps, analysis={"interval": f"{INTERVAL:g}s"})
    found, firsts = [], []
    with Visibility(rollouts.member.site.prometheus, rollouts.namespace) as seen:
        for attempt in range(1, size.rollbacks + 1):
            live.change({"spec": {"model": {"version": "3"}, "attempt": attempt}})
            taken, first = _one_rollback(live, seen, api)
            found.append(taken)
            firsts.append(first)
            say(f"rollback {attempt}: {taken:.2f} s")
    rows = [
        ["breach readable in Prometheus -> traffic moved, median", f"{statistics.median(found):.2f} s", "< 1 s"],
        ["the same, longest", f"{max(found):.2f} s", "< 1 s"],
        ["rollbacks whose first write was the route", f"{firsts.count('route')} of {len(firsts)}", "all"],
    ]
    return "\n".join(
        [
            f"## How soon a breach moves traffic (interval {INTERVAL:g} s, scrape 1 s)\n",
            table(["What", "Measured", "Aim"], rows),
            "",
            "Counted from the moment when every sample of the breaching tick could be read by another client (polling",
            "every 40 ms) and the tick was over, until the API server's watch showed the route without the candidate.",
            f"All: {', '.join(f'{each:.2f}' for each in sorted(found))} s.",
        ]
    )


def _one_rollback(live: LiveRollout, seen: Visibility, api: FaultProxy) -> tuple[float, str]:
    """Seconds from readable breach to traffic write, and the kind of the rollback's first write."""
    began = time.time()
    live.wait("traffic on the candidate", lambda s: s.get("weight", {}).get("observed", 0) > 0, 60)
    running = [live.status()]

    def over(status: dict[str, Any]) -> bool:
        if status.get("candidate") and status.get("nextEvaluation"):
            running.append(status)
        return status.get("phase") == "RolledBack"

    live.wait("the rollback", over, 90)
    written = _lowered(live, began)
    tick_end = parse_timestamp(running[-1]["nextEvaluation"])
    writes = count(api, api, written - BEFORE, written + AFTER).writes
    return written - seen.readable(tick_end), writes[0]


def _lowered(live: LiveRollout, since: float) -> float:
    """time.time() at which the route no longer led to version 3, after it had done so."""
    backend = live.scenario.service_name(3)
    exposed = next(each.at for each in live.record.seen if each.at >= since and each.weights.get(backend, 0) > 0)
    written = live.record.first(backend, 0, exposed)
    assert written is not None, "the route still leads to version 3"
    return written


def _calls(rollouts: Rollouts, size: Size) -> str:
    live, api, prometheus = _story(rollouts, 1, 2, 3)
    names = ("errors", "accuracy", "dead-neurons", "non-finite")
    steps = [{"weight": weight, "hold": f"{hold}s"} for weight, hold in ((5, 40), (20, 15), (40, 15), (60, 15))]
    live.adopt(gates=gates(*names), steps=steps, analysis={"interval": f"{APART:g}s"})
    time.sleep(5)
    rest = count_for(api, prometheus, 30)
    live.version(2)
    live.wait("the first step", lambda s: s.get("weight", {}).get("observed") == 5)
    began = time.time()
    time.sleep(AFTER)
    within = count_for(api, prometheus, 5 * APART)
    live.ended(200)
    moved = [live.record.first(live.scenario.service_name(2), weight, began) for weight in (20, 40, 60, 100)]
    advances = [count(api, prometheus, at - BEFORE, at + AFTER) for at in moved if at is not None]
    live.version(3)
    live.ended(120)
    time.sleep(AFTER)
    lowered = _lowered(live, began)
    rollback = count(api, prometheus, lowered - BEFORE, lowered + AFTER)
    return _calls_table(rest, within, advances, rollback)


def _calls_table(rest: Calls, within: Calls, advances: list[Calls], rollback: Calls) -> str:
    def per(calls: Calls, by: float) -> list[str]:
        return [f"{calls.passes / by:.1f}", f"{calls.reads / by:.1f}", f"{len(calls.writes) / by:.1f}"]

    intervals = within.seconds / APART
    typical = sorted(advances, key=lambda each: len(each.writes))[len(advances) // 2]
    rows = [
        [f"at rest, in {rest.seconds:.0f} s", *per(rest, 1), f"{rest.queries}", "0 writes"],
        ["within a step, per interval", *per(within, intervals), f"{within.queries / intervals:.1f}", "<= 1 write"],
        ["per advance (median)", *per(typical, 1), f"{typical.queries}", "<= 3 writes and an Event"],
        ["per rollback", *per(rollback, 1), f"{rollback.queries}", "the first moves traffic"],
    ]
    return "\n".join(
        [
            "## Calls\n",
            table(["When", "Passes that read", "API reads", "API writes", "Prometheus queries", "Aim"], rows),
            "",
            f"Writes of an advance, in order: {', '.join(typical.writes)}.",
            f"Writes of a rollback, in order: {', '.join(rollback.writes)}.",
            "A pass reads the resource and the route, but for what was shown of a rollout under way just before; only",
            "those that read are counted. Events and, at rest, every ten minutes make one. Watches (of the resources,",
            "the routes, and the EndpointSlices of probed Services) and the Lease are not counted.",
        ]
    )


def _memory(rollouts: Rollouts, size: Size) -> str:
    """One Service and one Triton behind every idle rollout; each has its own route and hostname."""
    defaults = {"probeInterval": "2s", "resync": "10s", "arguments": ("--lease-duration=15",), "fresh": True}
    live = rollouts.start(1, rate=0, operate=defaults)
    live.adopt(1)
    rows = [_idle(live, 1, size.seconds)]
    began = time.monotonic()
    for number in range(2, size.idle + 1):
        _add(live, number)
        if number % BATCH == 0 or number == size.idle:
            _wait_adopted(live, number)  # idling is measured here, not how a crowd is adopted
    took = time.monotonic() - began
    rows.append(_idle(live, size.idle, size.seconds))
    titles = ["Idle rollouts", "Memory", "CPU", "Objects written"]
    return "\n".join(
        [
            "## Memory and CPU at rest (default settings)\n",
            table(titles, rows),
            "",
            f"The {size.idle - 1} more were created and adopted in {took:.0f} s. CPU is in percent of one core.",
        ]
    )


def _evaluation() -> str:
    titles, rows, text = section()
    return "\n".join([TITLE, table(titles, rows), text])


def _add(live: LiveRollout, number: int) -> None:
    name = f"{NAME}-{number}"
    spec = live.spec(1)
    gateway = spec["traffic"]["gateway"]
    spec["traffic"] = {"gateway": gateway | {"hostnames": [f"{name}.{live.scenario.hostname}"]}}
    meta = {"name": name, "namespace": live.scenario.namespace}
    live.kube.apply({"apiVersion": API, "kind": KIND, "metadata": meta, "spec": spec})


def _wait_adopted(live: LiveRollout, number: int, deadline: float = 240) -> None:
    end = time.monotonic() + deadline
    while True:
        found = live.kube.list(API, KIND, live.scenario.namespace)
        ready = sum((each.get("status") or {}).get("phase") == "Serving" for each in found)
        if ready == number:
            return
        assert time.monotonic() < end, f"{ready} of {number} rollouts are adopted after {deadline:.0f} s"
        time.sleep(1)


def _idle(live: LiveRollout, number: int, seconds: float) -> list[str]:
    time.sleep(15)  # let adoption and its route's acceptance settle
    before, (_, used) = _written(live), live.operator.usage()
    time.sleep(seconds)
    memory, later = live.operator.usage()
    changed = sum(version != before.get(name) for name, version in _written(live).items())
    return [str(number), f"{memory / 2**20:.0f} MiB", f"{100 * (later - used) / seconds:.1f} %", str(changed)]


def _written(live: LiveRollout) -> dict[tuple[str, str], str]:
    """The resourceVersion of every resource and route: whatever is written changes it."""
    kinds = ((API, KIND), ("gateway.networking.k8s.io/v1", "HTTPRoute"))
    found = [each for kind in kinds for each in live.kube.list(*kind, live.scenario.namespace)]
    return {(each["kind"], each["metadata"]["name"]): each["metadata"]["resourceVersion"] for each in found}


MEASURES = dict(zip(PARTS[:3], (_reaction, _calls, _memory), strict=True))

if __name__ == "__main__":
    sys.exit(main())
