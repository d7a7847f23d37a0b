"""How much later a breach is acted upon because of others: one hostile tenant of each kind, and all of them at once.

``python -m tests.bench.fairness``: the real service, passes, evaluator, ledger and line of API calls; the API
server and Prometheus are fakes that are slow. Needs no lab, but the machine for itself: other work shows in each
figure.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

from tests.unit.fair.hostile import Operator, Tenant, hostile

KINDS = {
    "gates": "24 Query gates each second",
    "slow": "queries of 8 s",
    "layers": "9,000 layers in each answer",
    "nothing": "resources without Services",
}
SETTLE = 10.0


def measured(others: tuple[Tenant, ...], tries: int) -> list[float]:
    """Seconds from the first scrape with a failure until the route is lowered."""
    return [asyncio.run(Operator(others).seconds_until_lowered(SETTLE if others else 3.0)) for _ in range(tries)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fairness", description=__doc__)
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the resources that each hostile tenant has")
    args = parser.parse_args()
    everybody = hostile(args.scale)
    alone = measured((), args.tries)
    print("| beside | lowered after, median (most) | more than alone |\n|---|---|---|")
    print(f"| nobody | {statistics.median(alone):.1f} s ({max(alone):.1f} s) | |", flush=True)
    rows = [(f"{one.resources} of: {KINDS[one.namespace]}", (one,)) for one in everybody]
    for name, others in [*rows, ("all of them", everybody)]:
        found = measured(others, args.tries)
        more = statistics.median(found) - statistics.median(alone)
        print(f"| {name} | {statistics.median(found):.1f} s ({max(found):.1f} s) | {more:+.1f} s |", flush=True)


if __name__ == "__main__":
    main()
