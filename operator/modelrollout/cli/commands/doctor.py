"""`doctor` on the command line; what it looks at is in cli/doctor."""

from __future__ import annotations

import argparse

from modelrollout.cli.printing import remark
from modelrollout.cli.target import Failure, add_subject

FINE, PROBLEMS, UNKNOWN = 0, 1, 2

_EPILOG = """\
examples:
  kubectl modelrollout doctor digits -n vision
  kubectl modelrollout doctor digits -n vision --prometheus http://localhost:9090
  kubectl modelrollout doctor digits -n vision --json | jq '.findings[] | select(.level == "Problem")'
  kubectl modelrollout doctor -f rollout.yaml --stable 1 --prometheus http://localhost:9090

NAME is looked at in the cluster, with your own rights: what you may not read is said and nothing else is guessed from
it. The Prometheus server is the one that the operator's configuration names; that is found by the chart's label, in
--operator-namespace where there are several. Secrets are never read. With -f FILE nothing is asked of a cluster: only
the server's samples are looked at.
Exit code: 0 no problems (there may be warnings), 1 problems, 2 nothing could be looked at.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="what keeps a rollout from being judged: route, Services, clocks, Prometheus, each gate's series",
        description="Look at everything that a rollout rests on: the operator, the route and who shadows it, the "
        "Services, the clocks, the Prometheus server, and for each gate the series that it reads. Each finding is OK, "
        "a warning or a problem, with its fix. Nothing is changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_subject(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; the exit code says whether there are problems."""
    from modelrollout.cli.doctor.show import show  # noqa: PLC0415 - numpy and the API client take longer than this

    try:
        return show(args)
    except Failure as error:
        remark(f"error: {error}")
        return UNKNOWN
