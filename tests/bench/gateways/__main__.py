"""`python -m tests.bench.gateways` prints how soon each gateway follows a written weight, and what it adds to a call.

Each stands before two model servers of its own, in one lab. Measurements alternate, so that what else the machine does
meets all alike. Then the same three rollouts are run behind each, and P99 is compared with the client's own measure.
"""

from __future__ import annotations

import argparse
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING

import requests

from tests.bench.gateways import rollouts
from tests.lab import ENVOY_GATEWAY, Lab, bodies, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab import Scenario

SWITCHES, CALLS = 20, 300


def client() -> requests.Session:
    """Connections to loopback, kept open."""
    made = requests.Session()
    made.trust_env = False
    return made


def follows(scenario: Scenario, to: int) -> float:
    """Seconds from the API server's answer to a write of 100 % for a version until an answer comes from it."""
    scenario.split({1: 100 if to == 1 else 0, 2: 100 if to == 2 else 0})
    written = time.perf_counter()
    with client() as asking:
        while True:
            sent = time.perf_counter()
            found = asking.get(scenario.url, headers={"Host": scenario.hostname}, timeout=5)
            if found.status_code == requests.codes.ok and found.json()["versions"] == [str(to)]:
                return sent - written
            assert sent - written < 30, f"version {to} does not answer"
            time.sleep(0.002)


def call(asking: requests.Session, url: str, host: str, body: bytes) -> float:
    """Seconds of one inference."""
    began = time.perf_counter()
    found = asking.post(url, data=body, headers={"Host": host, "Content-Type": "application/json"}, timeout=5)
    took = time.perf_counter() - began
    assert found.status_code == requests.codes.ok, found.text
    return took


def measured(behind: dict[str, Scenario]) -> dict[str, tuple[list[float], list[float]]]:
    """By gateway: how soon it followed, and what each request took longer than the same one without it."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in behind}
    for number in range(SWITCHES):
        for name, scenario in behind.items():
            found[name][0].append(follows(scenario, 2 - number % 2))
    body = bodies(4)[0]
    with client() as asking:
        for _ in range(CALLS):
            for name, scenario in behind.items():
                server = f"{scenario.services[1].servers[0].url}/v2/models/{scenario.model}/infer"
                alone = call(asking, server, scenario.hostname, body)
                found[name][1].append(call(asking, f"{scenario.url}/infer", scenario.hostname, body) - alone)
    return found


def row(name: str, soon: list[float], added: list[float]) -> str:
    show: Callable[[float], str] = lambda seconds: f"{1000 * seconds:.1f} ms"  # noqa: E731
    tenth = quantiles(added, n=10)[-1]
    return f"| {name} | {median(soon):.2f} s | {max(soon):.2f} s | {show(median(added))} | {show(tenth)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateways", description=__doc__)
    parser.parse_args()
    ENVOY_GATEWAY.build()
    with Lab() as lab:
        door = lab.envoy_gateway()
        behind = {"Traefik": lab.scenario("one"), "Envoy Gateway": lab.member.scenario("two", door=door)}
        for scenario in behind.values():
            scenario.serve(1, 2)
            scenario.split({1: 100, 2: 0})
            scenario.wait_routed()
        say(f"{SWITCHES} switches and {CALLS} requests each")
        found = measured(behind)
        print("| gateway | follows a weight, median | longest | added to a request, median | P90 |")
        print("|---|---|---|---|---|")
        for name, (soon, added) in found.items():
            print(row(name, soon, added))
        decisions, tails, seen = rollouts.told(lab, {"Traefik": None, "Envoy Gateway": door})
        print("\n| version | behind | ended as | because of | after | its weights |\n|---|---|---|---|---|---|")
        print("\n".join(one.row for one in sorted(decisions, key=lambda one: list(rollouts.STORY).index(one.version))))
        print("\n| P99 by | by the client | by it, between | its upper edge is off by |\n|---|---|---|---|")
        print("\n".join(line for one in tails for line in one.rows))
        print("\n" + "\n".join(seen))


if __name__ == "__main__":
    main()
