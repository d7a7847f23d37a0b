"""A person is on call for a few minutes: the lab runs, faults strike, and each answer is worth points."""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from modelrollout.cli.words import span
from tests import lab
from tests.e2e.gameday.cases import CASES, NAMES, Case
from tests.e2e.gameday.desk import Desk, Left

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts

NAMESPACE = "gameday"
INTERRUPTED = 130
EPILOG = f"""\
what happens:
  1. etcd, kube-apiserver, Traefik, Prometheus, Tritons and the operator start on 127.0.0.1. The first run installs and
     builds what is missing, which takes some minutes.
  2. A version of a digits classifier begins its rollout, and something goes wrong: {", ".join(NAMES)}.
  3. You are told what a person on call is told, see what `kubectl modelrollout status` says, and choose what to do.
     What you choose is done, the fault ends, and you see what the product did by itself.
  4. Each answer is worth 0 to 2 points and has a lesson and a runbook.

Type the number of an answer, ? for the runbook, q to go home. Ctrl-C stops everything that was started. NO_COLOR=1
turns colours off; where there is no terminal there are none.
Exit code: 0 at the end or after q, 1 where the product did not do its part, 2 for unusable arguments, 130 after Ctrl-C.
"""


def chosen(text: str) -> tuple[Case, ...]:
    """The cases of `--faults`, in the order given. Raises ValueError for a name that there is not."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"{name[:40]!r} is no fault: choose among {', '.join(NAMES)}")
    return tuple(case for name in dict.fromkeys(names) for case in CASES if case.name == name)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m tests.e2e.gameday",
        description="Play on-call: faults strike a real lab, and you say what you would do.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--faults", type=chosen, metavar="NAME[,NAME]", help="only these, in this order; default: all")
    found.add_argument("--seed", type=int, help="order of faults and answers; default: another one each time")
    found.add_argument("--answers", choices=["best", "random"], default="", help="let the machine answer")
    return found


def main() -> int:
    """The whole game day; returns the exit code."""
    given = parser().parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    desk, began = Desk(sys.stdin, random.Random(seed), given.answers), time.monotonic()
    desk.say(f"seed {seed}")
    try:
        found = _interruptible(desk, given.faults or shuffled(desk))
    except (AssertionError, OSError, RuntimeError, TimeoutError) as error:
        desk.say(f"The game day could not go on: {error}", "bold red")
        found = 1
    lab.say(f"all stopped; {span(time.monotonic() - began)} in all")
    return found


def shuffled(desk: Desk) -> tuple[Case, ...]:
    """All of them, in the seed's order."""
    return tuple(desk.order.sample(CASES, len(CASES)))


def _interruptible(desk: Desk, cases: tuple[Case, ...]) -> int:
    with ExitStack() as stack:
        try:
            lab.say("starting the API server, the gateway and Prometheus")
            from tests.e2e.support.rollouts import Rollouts  # noqa: PLC0415 - seconds that --help does not wait

            return play(Rollouts(stack.enter_context(lab.Lab()).member, NAMESPACE, stack), desk, cases)
        except KeyboardInterrupt:
            desk.say("interrupted: stopping everything that was started", "yellow")
            return INTERRUPTED


def play(rollouts: Rollouts, desk: Desk, cases: tuple[Case, ...]) -> int:
    """Every case, and the score; 0 also for who goes home earlier."""
    from tests.e2e.gameday.shift import Shift  # noqa: PLC0415 - as above

    lab.say("starting model servers and the operator")
    shift = Shift(rollouts, desk, frozenset(case.version for case in cases if case.version))
    try:
        for number, case in enumerate(cases, 1):
            desk.head(f"{number} of {len(cases)}")
            shift.play(case)
    except Left:
        desk.say("You go home; whoever comes next takes over.")
    desk.score()
    return 0
