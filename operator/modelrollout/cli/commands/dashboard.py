"""`dashboard` on the command line; what it does is in cli/report/live."""

from __future__ import annotations

import argparse

from modelrollout.cli.target import add_server

_LAST_PORT = 65535
_EPILOG = """\
examples:
  kubectl modelrollout dashboard
  kubectl modelrollout dashboard -n vision --prometheus http://localhost:9090

It prints an address to open in a browser on this machine; nobody else can reach it, and it changes nothing. All
rollouts that you may list are on the first page, each with a page of its own that is its report, as it happens. The
address has a token that is new each time: whoever has it sees what you may see, as long as this runs.
Exit code: 0 after Ctrl-C, 1 when the cluster cannot be read or the port not be had.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "dashboard",
        help="all rollouts in your browser, as they happen; on this machine alone, read-only",
        description="Serve the report of every rollout to a browser on this machine, up to date, until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "--namespace", help="default: all that you may list")
    parser.add_argument("--context", help="the kubeconfig context to use")
    parser.add_argument("--kubeconfig", help="default: $KUBECONFIG, else ~/.kube/config")
    parser.add_argument("--port", type=_port, default=0, metavar="PORT", help="default: one that is free")
    add_server(parser)
    parser.set_defaults(func=run)


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to {_LAST_PORT}")
    return number


def run(args: argparse.Namespace) -> int:
    """Serve; Failure when the cluster cannot be read or the port cannot be had."""
    from modelrollout.cli.report.live.server import serve  # noqa: PLC0415 - the API client takes longer than this

    return serve(args)
