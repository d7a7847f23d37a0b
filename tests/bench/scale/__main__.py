"""What one operator costs with 1 to 300 rollouts under way and 1,000 at rest; printed as a table, never asserted."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import psutil

from tests import ROOT
from tests.bench.scale.page import PAGE, section, with_section
from tests.bench.scale.row import Fleet, measured
from tests.lab import say

EPILOG = """\
The operator runs as a Pod runs it, with its defaults, in a process of its own. API server, gateway, Prometheus and
model servers are one other process that answers as they do and counts what it is asked (tests/bench/scale/world), so
that a thousand rollouts fit on two cores and nothing but the operator is in the figures. CPU is the operator's own, so
a busy machine changes it little; times do suffer, and the table says how busy the machine was.

examples:
  python -m tests.bench.scale                   the usual rows, two to three minutes each
  python -m tests.bench.scale 12:12:1 1000:0    12 under way with one gate, and 1,000 at rest
"""
ROWS = ("1:1", "10:10", "12:12:1", "100:100", "1000:0", "1000:300")


def main() -> int:
    """Measure each row and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scale",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("row", nargs="*", default=ROWS, help="ALL:ACTIVE, or ALL:ACTIVE:GATES (five unless said)")
    parser.add_argument("--many", action="store_true", help="5,000 at rest as well")
    parser.add_argument("--layers", type=int, default=6, help="layers of every model (6)")
    parser.add_argument("--seconds", type=float, default=60.0, help="each row is measured for so long (60)")
    parser.add_argument("--operator", type=Path, default=ROOT / "operator", help="measure the package in this folder")
    parser.add_argument("--write", action="store_true", help=f"write the section of {PAGE.name}, too")
    given = parser.parse_args()
    found = []
    for row in [*given.row, *(["5000:0"] if given.many else [])]:
        say(f"measuring {row}")
        number, active, gates = [int(one) for one in f"{row}:5".split(":")[:3]]
        found.append(measured(Fleet(number, active, gates, given.layers, given.seconds), given.operator))
        print(f"\n{section(found, _machine())}\n", flush=True)
    if given.write:
        PAGE.write_text(with_section(PAGE.read_text(), section(found, _machine())))
    return 0


def _machine() -> str:
    return f"{psutil.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
