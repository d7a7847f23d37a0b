"""`kubectl modelrollout`: finds the command and turns its failure into one sentence and an exit code."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from modelrollout.cli.commands import COMMANDS
from modelrollout.cli.printing import remark, tolerant_streams
from modelrollout.cli.target import Failure

_INTERRUPTED = 130

_EPILOG = """\
examples:
  kubectl modelrollout status digits -n vision       what is it doing, why, and what do I do now
  kubectl modelrollout watch digits -n vision        the same, live
  kubectl modelrollout approve digits -n vision      approve the step that waits for it
  kubectl modelrollout abort digits -n vision        all traffic back to stable, now
  kubectl modelrollout plan digits -n vision         what its traffic can prove, and when
  kubectl modelrollout report digits -n vision       all of it as one HTML page
  kubectl modelrollout dashboard                     every rollout in your browser, as it happens
  kubectl modelrollout doctor digits -n vision       what keeps it from being judged, and the fix
  kubectl modelrollout explain GateFailed            what a reason or an alert means, and what to type
  kubectl modelrollout lint rollouts/*.yaml          check manifests before they are applied
  kubectl modelrollout judge --gate gate.yaml t.csv  would this gate have fired?

`kubectl modelrollout COMMAND --help` says more about each command.
"""


@functools.cache
def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="kubectl modelrollout",
        description="Watch and steer canary rollouts of model versions, and check their manifests.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"modelrollout {version('modelrollout')}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_parser(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    tolerant_streams()
    args = parser().parse_args(argv)
    try:
        return int(args.func(args))
    except Failure as error:
        remark(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: that is no failure, and the flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
