"""approve, abort, pause, resume, retry and promote on the command line; what they do is in steer.py."""

from __future__ import annotations

import argparse

from modelrollout.cli.target import add_target
from modelrollout.core.observation import Verb

_HELP: dict[Verb, str] = {
    "approve": "approve the step that waits for it",
    "abort": "all traffic back to stable, now",
    "pause": "hold the weight; a breach still rolls back",
    "resume": "continue after a pause, an inconclusive result or a lowered weight",
    "retry": "retry a version that was rolled back or rejected",
    "promote": "give the candidate all traffic on your own judgement; what is left is the bake",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the six verbs."""
    for verb, summary in _HELP.items():
        parser = subparsers.add_parser(
            verb,
            help=summary,
            description=f"{summary.capitalize()}. The command names the version and step that it is "
            "about, so that it never acts on another. Status and an Event record it.",
            epilog=f'example:\n  kubectl modelrollout {verb} digits -n vision --why "checked the dashboards"',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_target(parser)
        parser.add_argument("--why", default="", help="a reason for the record")
        parser.set_defaults(func=run, verb=verb)


def run(args: argparse.Namespace) -> int:
    """Send the command and print the operator's answer; 0 when applied, 1 when refused or unanswered."""
    from modelrollout.cli.steer import steer  # noqa: PLC0415 - the API client takes longer to import than to use

    return steer(args)
