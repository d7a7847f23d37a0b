"""Looks for new counterexamples for as long as told: one property of the borders after the other, with a new seed.

    python -m tests.fuzz --minutes 60              # the properties about what comes in from outside
    python -m tests.fuzz --minutes 10 tests/unit   # others

What it finds is printed with its seed and becomes an `@example` (see CONTRIBUTING.md). Exit status 1 if there is any.
"""

from __future__ import annotations

import argparse
import re
import secrets
import subprocess
import sys
import time
from itertools import cycle

from tests import ROOT

BORDERS = (
    "tests/unit/borders", "tests/unit/runtime/borders", "tests/unit/rollout/borders", "tests/unit/api",
    "tests/unit/routers", "tests/unit/cli", "tests/unit/analysis/metrics", "tests/unit/analysis/gates/bad_samples",
    "telemetry/tests",
)  # fmt: skip
OPTIONS = ("-q", "-n", "0", "-p", "no:cacheprovider", "-m", "hypothesis", "--hypothesis-profile=explore")
TRIED = re.compile(r"(\d+) passing, (\d+) failing, and \d+ invalid")
PATIENCE = 1800
"""Seconds for one property: a thousand examples of the slowest, several times over."""


def pytest(*arguments: str, seconds: float = PATIENCE) -> str:
    """What it printed. Raises TimeoutExpired; ends this process where the tests could not be run at all."""
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=seconds)
    if ran.returncode not in (0, 1):
        sys.exit(f"pytest ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def explore(folders: list[str], minutes: float) -> tuple[int, int]:
    """(examples, failures) until the time is over; the property that is being tried then does not count."""
    properties = [line for line in pytest("--collect-only", *folders).splitlines() if "::" in line]
    examples, failures, end = 0, 0, time.monotonic() + minutes * 60
    for number, name in enumerate(cycle(properties), start=1):
        seed, left = secrets.randbelow(2**32), end - time.monotonic()
        if left <= 0:
            break
        try:
            said = pytest(
                "--hypothesis-show-statistics", f"--hypothesis-seed={seed}", name, seconds=min(left, PATIENCE)
            )
        except subprocess.TimeoutExpired:
            continue
        examples += sum(int(passing) + int(failing) for passing, failing in TRIED.findall(said))
        if f"\nFAILED {name}" in said:
            failures += 1
            print(f"{said}\nfound by --hypothesis-seed={seed}: {name}", flush=True)
        print(f"{number} of {len(properties)}: {examples} examples, {failures} failures; {name}", flush=True)
    return examples, failures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("folders", nargs="*", default=list(BORDERS))
    asked = parser.parse_args()
    examples, failures = explore(asked.folders, asked.minutes)
    print(f"{examples} examples in {asked.minutes:g} minutes, {failures} failures")
    sys.exit(min(failures, 1))


if __name__ == "__main__":
    main()
