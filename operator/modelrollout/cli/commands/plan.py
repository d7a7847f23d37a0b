"""`plan` on the command line; what it does is in planning/."""

from __future__ import annotations

import argparse

from modelrollout.cli.printing import remark
from modelrollout.cli.target import Failure, add_subject

PROVABLE, UNPROVABLE, UNKNOWN = 0, 1, 2

_EPILOG = """\
examples:
  kubectl modelrollout plan digits -n vision
  kubectl modelrollout plan digits -n vision --prometheus http://localhost:9090
  kubectl modelrollout plan -f rollout.yaml --config operator.yaml --stable 1
  kubectl modelrollout plan -f rollout.yaml --requests 20

NAME is read from the cluster, -f FILE from a manifest. Stable's traffic comes from the Prometheus server that the
operator reads (its configuration is found in the cluster, or given with --config), or that --prometheus names; where
it cannot be reached, NAME shows the line that the operator wrote in status when the rollout started. With --requests
nothing is asked of any server: stable is then taken to have so many a second, 0.1 % of them errors, 5 % of answers
wrong, and 1 % just beyond its P99.
Exit code: 0 every required gate can be proven before the deadline, 1 some cannot, 2 nothing can be said.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "plan",
        help="what stable's traffic can prove: when each gate passes or fails, and what it never can",
        description="Forecast a rollout from stable's own traffic, by the engine that judges it: per gate the time to "
        "PASS if the candidate is as stable is, the time to FAIL at 2, 5 and 10 times stable's share, the least "
        "regression that shows, and what cannot be proven before the deadline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_subject(parser)
    parser.add_argument("--requests", type=float, metavar="RATE", help="requests per second, where no server is asked")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan; the exit code says whether everything can be proven."""
    from modelrollout.cli.planning.show import show  # noqa: PLC0415 - numpy and the API client take longer than this

    try:
        return show(args)
    except Failure as error:
        remark(f"error: {error}")
        return UNKNOWN
