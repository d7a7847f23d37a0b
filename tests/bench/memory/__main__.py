"""Ten hostile Prometheus servers beside a healthy tenant: what the process holds, and how long the tenant waits."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

HOSTILE = 10


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each part (30)")
    given = parser.parse_args()
    command = [sys.executable, "-m", "tests.bench.memory.servers", str(HOSTILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as servers:
        assert servers.stdout is not None
        urls = json.loads(servers.stdout.readline())
        print("| beside the healthy tenant | at rest | at most | slowest query | slowest evaluation |")
        print("|---|---|---|---|---|")
        for what in ("alone", "answers", "rollouts"):
            print(_row(what, _measured(f"operator_process {what} {given.seconds}".split() + urls)), flush=True)
        servers.kill()
    day = _measured(["day"])
    print(f"\nA rollout of a day, {day['series']} series every 15 s: {day['held']:.0f} MiB of samples are held,")
    print(f"the process had {day['rest']:.0f} MiB and at most {day['most']:.0f} MiB; it took {day['seconds']:.1f} s.")
    print(f"It says: {day['said']}.")
    return 0


def _measured(module: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.bench.memory.{module[0]}", *module[1:]]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _row(what: str, found: dict[str, Any]) -> str:
    beside = {
        "alone": "nobody",
        "answers": f"{HOSTILE} servers that are asked all the time",
        "rollouts": f"{HOSTILE} rollouts on such servers",
    }[what]
    said = ", ".join(f"{number} x {key}" for key, number in sorted(found["said"].items()))
    beside = f"{beside} ({said})" if said else beside
    times = " | ".join(
        f"{max(found[key], default=0.0):.2f} s of {len(found[key])}" for key in ("queries", "evaluations")
    )
    return f"| {beside} | {found['rest']:.0f} MiB | {found['most']:.0f} MiB | {times} |"


if __name__ == "__main__":
    sys.exit(main())
