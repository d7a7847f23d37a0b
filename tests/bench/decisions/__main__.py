"""`make bench-decisions`: carry out the study, write docs/decision-quality.md, say whether the targets are met.

With --promise the promise is checked instead, with --live whole rollouts are watched on the lab; both are kept for
the page.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests import ROOT
from tests.bench.decisions import report, study
from tests.bench.decisions.live import section as live
from tests.bench.decisions.speed import promise
from tests.bench.decisions.targets import targets

DOCS = ROOT / "docs"


def main() -> int:
    """0 where every target is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 rollouts per cell instead of 1,000; half a minute")
    parser.add_argument("--runs", type=int, help="rollouts per cell")
    parser.add_argument(
        "--promise",
        action="store_true",
        help=f"check the promise on {promise.ROLLOUTS:,} rollouts a case (or --runs), and keep it for the page",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help=f"watch {live.COPIES} rollouts (or --runs) of each change on the lab, and keep what was seen for the page",
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="where decision-quality.md and .svg go")
    args = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", flush=True)

    if args.promise:
        return 0 if promise.check(args.runs or promise.ROLLOUTS, say) else 1
    if args.live:
        live.measure(args.runs or live.COPIES, say)
        return 0
    runs = args.runs or (200 if args.quick else 1000)
    found = study.carry_out(runs, say)
    report.write(found, args.docs)
    missed = 0
    for one in targets(found):
        missed += not one.met
        print(f"{'met   ' if one.met else 'MISSED'}  {one.what}: {one.measured} (wanted {one.wanted})")
    print(f"{runs} rollouts per cell in {time.monotonic() - began:.0f} s; see {args.docs / 'decision-quality.md'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
