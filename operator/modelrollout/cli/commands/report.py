"""`report` on the command line; what it does is in cli/report."""

from __future__ import annotations

import argparse

from modelrollout.cli.target import add_server, add_target

_EPILOG = """\
examples:
  kubectl modelrollout report digits -n vision
  kubectl modelrollout report digits -n vision -o friday.html
  kubectl modelrollout report digits -n vision --ended 2 --prometheus http://localhost:9090
  kubectl modelrollout report digits -n vision --tensorboard runs/digits

One HTML file that loads nothing and runs no script: weights over time, each gate's evidence with its limit, judged
again by the operator's engine from what Prometheus has, distributions by layer of both versions, Events, commands, and
what to do now. What cannot be read is named in it. Plots take Matplotlib (pip install 'modelrollout[report]'); without
it the tables are there alone. With --tensorboard event files are written in its place: each layer's histogram and
shares over time, a run for each version (pip install 'modelrollout[tensorboard]'). Exit code: 0, or 1 when the resource
cannot be read or a file not be written.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "report",
        help="one rollout as an HTML page: what happened, the evidence over time, who did what, what to do",
        description="Write one self-contained HTML page about the rollout in progress, or the last that ended.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("-o", "--output", metavar="FILE", help="default: NAME-report.html; - for stdout")
    place.add_argument("--tensorboard", metavar="DIR", help="write TensorBoard's files into this folder, and no page")
    parser.add_argument(
        "--ended",
        type=int,
        choices=range(1, 11),
        metavar="N",
        help="the last rollout that ended (1), the one before (2)",
    )
    add_server(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write it; Failure when the resource cannot be read."""
    from modelrollout.cli.report.show import show  # noqa: PLC0415 - numpy and the API client take longer than this

    return show(args)
