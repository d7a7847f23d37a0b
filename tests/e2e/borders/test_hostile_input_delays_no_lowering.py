"""Whatever comes in by a border, a breach and an abort lower traffic as soon as without it: times are printed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.adapters.kubernetes.command_annotation import COMMAND
from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_KIND
from tests.bench.cost.visibility import Visibility
from tests.e2e.borders import exported
from tests.e2e.borders.reaction import rolled_back
from tests.e2e.support.hands import PROMISE, ask, reasons, took
from tests.e2e.support.live_rollout import API, KIND, LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.lab import Fault, FaultProxy, ScrapedPod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
STEPS = [{"weight": 40, "hold": "10m"}]
LATEST = 5 * PROMISE
"""Seconds, on a machine that runs other tests as well; what costs time with the square of its number takes a minute."""
SHOWN = {"dead-neurons", "accuracy", "latency"}
HUGE = ("\u202e\x1b[2J::error::" + "A" * 1000) * 400
Hostile = "Callable[[LiveRollout, FaultProxy, FaultProxy], AbstractContextManager[object]]"


@contextmanager
def again_and_again(write: Callable[[int], object], pause: float = 1.0) -> Iterator[None]:
    """`write(n)` in a thread of its own, whatever becomes of it; much oftener, and no record would ever be taken."""
    over = threading.Event()

    def go() -> None:
        number = 0
        while not over.wait(pause):
            number += 1
            with contextlib.suppress(Exception):  # what the API server refuses is no input
                write(number)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(10)


def nothing(*_: Any) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


def pod(export: Callable[..., Any], *versions: str) -> Any:
    """A Pod that exports for these versions."""

    def hostile(live: LiveRollout, *_: Any) -> AbstractContextManager[object]:
        def exports(scrape: int) -> Iterator[Any]:
            for version in versions:
                yield from export(version, scrape=scrape)

        return ScrapedPod(live.scenario.site, live.scenario.namespace, exports)

    return hostile


@contextmanager
def notes_and_commands(live: LiveRollout, *_: Any) -> Iterator[None]:
    """Both objects full to what an API server takes, and a command that is none, written anew all the time."""
    notes = {f"example.com/note-{n}": HUGE[:22_000] for n in range(5)}
    live.change({"metadata": {"annotations": notes, "labels": {"constructor": "x" * 63}}})
    live.kube.merge(*ROUTE, live.scenario.namespace, live.name, {"metadata": {"annotations": notes}})

    def write(number: int) -> None:
        text = ('{"verb":' * 200, '{"verb":"abort","verb":"\\ud800"}', "[" * 2000, "\u202e" * 600)[number % 4]
        live.change({"metadata": {"annotations": {COMMAND: f"{text}{number}"}}})

    with again_and_again(write):
        yield
    gone = {"metadata": {"annotations": dict.fromkeys([*notes, COMMAND])}}
    live.change(gone)
    live.kube.merge(*ROUTE, live.scenario.namespace, live.name, gone)


@contextmanager
def slices(live: LiveRollout, *_: Any) -> Iterator[None]:
    """Stable's Service has hundreds of addresses that are not ready, and a host's name.

    Were they ready, the gateway would send stable's requests to them: with no row of stable nothing can be compared.
    """
    namespace, service = live.scenario.namespace, live.scenario.service_name(1)
    named = {"labels": {"kubernetes.io/service-name": service}, "namespace": namespace}
    many = [{"addresses": [f"127.9.{n // 250}.{n % 250 + 1}"], "conditions": {"ready": False}} for n in range(900)]
    host = [{"addresses": ["metadata.internal"], "conditions": {"ready": False}}]
    for kind, endpoints in (("IPv4", many), ("FQDN", host)):
        live.kube.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "addressType": kind,
                "metadata": named | {"name": f"{service}-{kind.lower()}"},
                "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
                "endpoints": endpoints,
            }
        )
    yield
    for kind in ("ipv4", "fqdn"):
        live.kube.delete("discovery.k8s.io/v1", "EndpointSlice", namespace, f"{service}-{kind}")


def statuses(live: LiveRollout, *_: Any) -> AbstractContextManager[None]:
    """Somebody writes into the status all the time, as much as its definition takes."""
    resource = live.kube.resource(API, KIND)
    text = "\u202e\x1b[2J" + "A" * 900
    gate = {"name": text[:60], "type": text[:60], "verdict": "FAIL", "message": text, "layer": text[:100]}

    def write(number: int) -> None:
        shown: dict[str, Any] = {"gates": [gate | {"observed": str(number)}] * 48, "warnings": [text[:290]] * 8}
        body = {"status": shown | {"message": f"{number}{text}"}}
        where = {"name": live.name, "namespace": live.scenario.namespace}
        resource.status.patch(body=body, content_type="application/merge-patch+json", **where)

    return again_and_again(write)


@contextmanager
def snapshots(live: LiveRollout, *_: Any) -> Iterator[None]:
    """All names of post-mortems are taken by others."""
    for number in range(-1, 11):
        meta = {"name": f"{live.name}-snapshot-{number}", "namespace": live.scenario.namespace}
        data = {"snapshot.json": "[" * 500_000}
        live.kube.apply({"apiVersion": API, "kind": SNAPSHOT_KIND, "metadata": meta, "data": data})
        live.status()  # and keeps it: the breach may come meanwhile
    yield


@contextmanager
def refused_events(_live: LiveRollout, api: FaultProxy, _prometheus: FaultProxy) -> Iterator[None]:
    """The API server takes no Event and says why at length, after a while."""
    said = json.dumps({"kind": "Status", "reason": "Forbidden", "message": HUGE, "code": 403}).encode()
    rule = api.add(Fault(delay=1.0, status=403, body=said), method="POST", path="/events")
    yield
    api.remove(rule)


@contextmanager
def failing_queries(share: int, _live: LiveRollout, _api: FaultProxy, prometheus: FaultProxy) -> Iterator[None]:
    """One query in `share` is answered by an error of half a megabyte."""
    said = json.dumps({"status": "error", "errorType": HUGE, "error": HUGE}).encode()
    asked = iter(range(1_000_000))
    wrong = Fault(status=500, headers={"Content-Type": "application/json"}, body=said)
    rule = prometheus.add(wrong, path="/api/v1/query", when=lambda _: next(asked) % share == 0)
    yield
    prometheus.remove(rule)


BREACHES: dict[str, dict[str, Any]] = {
    "of metrics": {
        "nothing hostile": nothing,
        "hostile labels": pod(exported.labels, "1", "5"),
        "values that are none": pod(exported.values, "1", "5"),
        "every fifth query fails with a megabyte of text": partial(failing_queries, 5),
        "1,400 series of layers with hostile names": pod(partial(exported.layers, number=100), "1", "5"),  # they stay
    },
    "of the cluster": {
        "nothing hostile": nothing,
        "annotations and commands": notes_and_commands,
        "hundreds of addresses": slices,
        "a status written by hand": statuses,
        "snapshots of others": snapshots,
        "Events refused": refused_events,
    },
}
ABORTS: dict[str, Any] = {
    "nothing hostile": nothing,
    "10,000 series": pod(partial(exported.layers, number=715), "1", "2"),
    "weights that change at every scrape": pod(exported.digests, "2"),
    "every query fails with a megabyte of text": partial(failing_queries, 1),
}


def start(rollouts: Rollouts, *versions: int) -> tuple[LiveRollout, FaultProxy, FaultProxy]:
    api, prometheus = rollouts.member.api_faults(), rollouts.member.http_faults(rollouts.member.site.prometheus)
    # Ten thousand series stay in the answers of the next attempts, which take seconds where others have the cores too.
    settings = {"api": api.url, "prometheus": prometheus.url, "patience": "10s"}
    live = rollouts.start(*versions, rate=BRISK, operate=settings)
    beside = [gate | {"required": False} for gate in gates(*SHOWN)]
    live.adopt(gates=[*gates("non-finite"), *beside], steps=STEPS)
    return live, api, prometheus


@pytest.mark.long
@pytest.mark.timeout(600)  # half a dozen rollbacks, one after the other
@pytest.mark.parametrize("borders", BREACHES)
def test_a_breach_lowers_as_soon_as_without(rollouts: Rollouts, borders: str):
    live, api, prometheus = start(rollouts, 1, 5)
    with Visibility(rollouts.member.site.prometheus, rollouts.namespace) as seen:
        for attempt, (what, hostile) in enumerate(BREACHES[borders].items(), start=1):
            began = time.time()
            live.change({"spec": {"attempt": attempt, "model": {"version": "5"}}})
            live.wait("traffic on the candidate", lambda s: s.get("weight", {}).get("observed", 0) > 0, 90)
            with hostile(live, api, prometheus):
                taken = rolled_back(live, 5, seen, began)
            print(f"breach, {what}: {taken:.2f} s (promised: {PROMISE:g} s)")
            assert taken < LATEST, what
            assert live.status()["history"][-1]["message"].startswith("non-finite: "), live.report()
    assert reasons(live).count("GateFailed") >= len(BREACHES[borders]) - 1  # one was refused where Events are


@pytest.mark.long
@pytest.mark.timeout(600)  # as above
def test_an_abort_lowers_as_soon_as_without(rollouts: Rollouts):
    live, api, prometheus = start(rollouts, 1, 2)
    for attempt, (what, hostile) in enumerate(ABORTS.items(), start=1):
        live.change({"spec": {"attempt": attempt, "model": {"version": "2"}}})
        live.wait_weight(2, 40)
        with hostile(live, api, prometheus):
            time.sleep(8)  # for some evaluations
            assert live.weight(2) == 40, live.report()
            took(live, f"abort, {what}", 2, 0, ask(live, "abort", 2).at)
            live.wait("the end", lambda s: s.get("candidate") is None)
        assert live.status()["history"][-1]["result"] == "Aborted", live.report()
