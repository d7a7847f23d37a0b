"""Several operators for one rollout: standbys, skewed clocks, processes stopped at a write, what the route shows."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests import ROOT
from tests.e2e.support.operator import operator
from tests.lab import SKEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support.live_rollout import LiveRollout
    from tests.lab import Exchange, OperatorProcess

LATENESS = 0.6
"""Seconds by which a watch may tell of a change sooner or later than of another, on a busy machine."""


def standby(live: LiveRollout, name: str = "2", **settings: Any) -> OperatorProcess:
    """Another operator for the same namespace, started; ends with the live. A fresh one: no two share a hash seed."""
    made = operator(live.member, live.scenario.namespace, name=name, **settings | {"fresh": True}).start()
    live.rollouts.stack.callback(made.stop)
    return made


@contextmanager
def kept_running(live: LiveRollout) -> Iterator[None]:
    """A process that ended (killed, or its Lease lost) is started again, as a Deployment would."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.1):
            if not live.operator.process.running:
                live.operator.kill()
                live.operator.start()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join(30)


def skewed(seconds: float) -> dict[str, Any]:
    """Settings of an operator whose wall clock is off; its monotonic clock is right."""
    path = os.pathsep.join([str(ROOT / "operator"), str(SKEW)])
    return {"env": {"PYTHONPATH": path, "MODELROLLOUT_LAB_SKEW": f"{seconds:g}"}, "fresh": True}


def epoch(live: LiveRollout) -> str:
    """The leader's epoch on the route."""
    route = live.kube.get("gateway.networking.k8s.io/v1", "HTTPRoute", live.scenario.namespace, live.name) or {}
    return str((route.get("metadata", {}).get("annotations") or {}).get("modelrollout.dev/epoch", ""))


def wait_led(live: LiveRollout, before: str, deadline: float = 60) -> float:
    """time.time() at which the route carries another epoch than `before`."""
    end = time.monotonic() + deadline
    while epoch(live) == before:
        assert time.monotonic() < end, f"nobody else leads after {deadline:.0f} s\n{live.report()}"
        time.sleep(0.1)
    return time.time()


def stop_when(process: Callable[[], OperatorProcess], true: Callable[[dict[str, Any]], bool]) -> Any:
    """For a Rule's `when`: SIGSTOP the operator at the first write whose body is as asked."""

    def stop(exchange: Exchange) -> bool:
        try:
            body = json.loads(exchange.body or b"null")
        except ValueError:
            return False
        if not isinstance(body, dict) or not true(body):
            return False
        process().process.signal(signal.SIGSTOP)
        return True

    return stop


def records_step(weight: int) -> Callable[[dict[str, Any]], bool]:
    """Whether a body is a status that stands for a step of `weight`."""
    return lambda body: ((body.get("status") or {}).get("step") or {}).get("weight") == weight


def raises_to(weight: int) -> Callable[[Any], bool]:
    """Whether a body is a route with a backend of `weight`, last."""

    def found(body: Any) -> bool:
        if not isinstance(body, dict):
            return False
        rules = (body.get("spec") or {}).get("rules") or [{}]
        refs = rules[0].get("backendRefs") or [{}]
        return bool(refs[-1].get("weight") == weight)

    return found


def exposures(live: LiveRollout, version: int) -> list[tuple[int, float]]:
    """(weight, seconds) of every exposure of `version` that is over, in order, as the route showed them."""
    service = live.scenario.service_name(version)
    changes: list[tuple[int, float]] = []
    for each in list(live.record.seen):
        weight = each.weights.get(service, 0)
        if not changes or changes[-1][0] != weight:
            changes.append((weight, each.at))
    return [(weight, then - at) for (weight, at), (_, then) in itertools.pairwise(changes)]


def check_holds(live: LiveRollout, version: int, hold: float, bake: float = 0) -> None:
    """No weight that was followed by a higher one was there for less than its hold."""
    found = exposures(live, version)
    print(f"{live.scenario.namespace}: " + ", ".join(f"{weight} % for {seconds:.1f} s" for weight, seconds in found))
    following = [weight for weight, _ in found[1:]] + [live.weight(version)]
    for (weight, seconds), then in zip(found, following, strict=True):
        if 0 < weight < then:
            assert seconds >= hold - LATENESS, f"{weight} % for {seconds:.1f} s only, hold {hold:g} s\n{live.report()}"
