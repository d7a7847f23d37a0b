"""`status` and `watch` on the command line; what they show is in live.py."""

from __future__ import annotations

import argparse

from modelrollout.cli.target import add_target

_EPILOG = """\
examples:
  kubectl modelrollout status digits -n vision
  kubectl modelrollout watch digits -n vision          until Ctrl-C; one line per change where there is no terminal

The weight is the route's own, read just now; "desired" is what the operator wants. Exit code: 0, or 1 when the
resource cannot be read.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount both commands."""
    what = "Show one ModelRollout: phase, weight on the route, gates with their numbers, history, what to do."
    once = _mount(subparsers, "status", "what a rollout is doing, why, and what to do now", what)
    once.add_argument("-w", "--watch", action="store_true", help="keep showing, until Ctrl-C")
    live = _mount(subparsers, "watch", "the same, live, until Ctrl-C", f"{what} Goes on until Ctrl-C.")
    live.set_defaults(watch=True)


def _mount(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    parser.set_defaults(func=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show it once or live; Failure when the resource cannot be read."""
    from modelrollout.cli.live import show  # noqa: PLC0415 - the API client takes longer to import than to use

    return show(args)
