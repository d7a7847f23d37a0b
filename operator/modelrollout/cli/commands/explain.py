"""`explain`: what a reason or an alert means, how to tell, what to type, and how to come back; asks nobody."""

from __future__ import annotations

import argparse
import difflib

from modelrollout.cli.printing import tell
from modelrollout.cli.runbooks import PAGES, sections, spoken
from modelrollout.cli.target import Failure

_EPILOG = """\
examples:
  kubectl modelrollout explain GateFailed
  kubectl modelrollout explain ModelRolloutLatencyHigh
  kubectl modelrollout explain                            every name there is

Reasons stand in `kubectl get modelrollouts`, in status, in Events and in the message of a gate. Exit code: 0, or 1 for
a name that does not exist.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "explain",
        help="what a reason or an alert means, what to type, how to come back",
        description="Explain one reason, alert or situation: its runbook, offline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reason", metavar="REASON", nargs="?", help="such as GateFailed; every name where left out")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the runbook, or every name; Failure for a name that does not exist."""
    if args.reason is None:
        for page in PAGES:
            tell(f"{page}: {', '.join(name for name, (where, _) in sections().items() if where == page)}")
        return 0
    name = _found(args.reason)
    tell(name)
    for line in spoken(name):
        tell(line)
    return 0


def _found(asked: str) -> str:
    """The name as it is written, whatever letters are capital."""
    names = {name.lower(): name for name in sections()}
    if asked.lower() in names:
        return names[asked.lower()]
    near = difflib.get_close_matches(asked.lower()[:100], names, n=1)
    hint = f"do you mean {names[near[0]]}?" if near else "`kubectl modelrollout explain` lists every name"
    raise Failure(f"{asked} is no reason and no alert: {hint}")
