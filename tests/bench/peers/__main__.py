"""Ours beside real Flagger and real Argo Rollouts: the same canaries, at the same time, on real components."""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import TYPE_CHECKING

from tests import ROOT
from tests.bench.peers.page import page
from tests.bench.peers.results import folder, kept, path_of
from tests.bench.peers.round import Round
from tests.bench.peers.stage import Chosen
from tests.bench.peers.story import BY_NAME, FULL, OUTAGE, QUICK
from tests.bench.peers.tools import TOOLS
from tests.lab import CannotBuildError, say

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = ROOT / "docs" / "peers.md"
EPILOG = """\
A round takes about 35 minutes with all tools (15 with --quick): ours beside the quickest settings, then the documented
ones. The first one builds the peers' controllers from Go modules, too (some minutes, once). Each tool's figures are
kept after the canaries' story and again after Prometheus's outage, so a round that is broken off later is not lost:
--resume leaves out what is there already.

examples:
  python -m tests.bench.peers --quick --tools ours,flagger --scenarios equal,errors-5
  python -m tests.bench.peers --seeds 3 --resume --write
  python -m tests.bench.peers --report --write
"""


def main() -> int:
    """Measure and print, or print what is kept."""
    given = _parser().parse_args()
    timeline = QUICK if given.quick else FULL
    chosen = [(TOOLS[name], setting) for name in given.tools for setting in TOOLS[name].settings]
    chosen = [each for each in chosen if not given.settings or each[1].name in given.settings]
    if not given.report:
        try:
            for program in {tool.program for tool, _ in chosen if tool.program is not None}:
                program.build()
        except CannotBuildError as error:
            print(error, file=sys.stderr)
            return 1
        for seed, group in itertools.product(range(1, given.seeds + 1), _groups(chosen)):
            if todo := _left(group, seed, given.quick) if given.resume else group:
                say(f"round {seed} of {given.seeds}: {', '.join(f'{tool.name} ({s.name})' for tool, s in todo)}")
                Round(todo, tuple(given.scenarios), timeline, seed, given.quick).run()
    records = kept(given.quick, given.seeds)
    if not records:
        print("nothing has been measured yet; leave out --report", file=sys.stderr)
        return 1
    text = page(records)
    print(text)
    if given.write:
        DOCS.write_text(text)
    return 0


def _groups(chosen: Sequence[Chosen]) -> list[list[Chosen]]:
    """What runs at the same time: ours beside the quickest, the documented by themselves; 60 canaries are too many."""
    documented = [each for each in chosen if each[1].name == "documented"]
    return [group for group in ([each for each in chosen if each not in documented], documented) if group]


def _left(chosen: Sequence[Chosen], seed: int, quick: bool) -> list[Chosen]:
    return [each for each in chosen if not path_of(f"{each[0].name}, {each[1].name}", seed, quick).is_file()]


def _several(known: Sequence[str]):
    def names(text: str) -> list[str]:
        found = text.split(",")
        unknown = sorted(set(found) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; choose from {', '.join(known)}")
        return [each for each in known if each in found]

    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenarios = [*BY_NAME, OUTAGE]
    settings = sorted({setting.name for tool in TOOLS.values() for setting in tool.settings})
    parser.add_argument("--tools", type=_several([*TOOLS]), default=[*TOOLS], help=f"of {','.join(TOOLS)}; all")
    parser.add_argument("--settings", type=_several(settings), help=f"of {','.join(settings)}; all")
    parser.add_argument("--scenarios", type=_several(scenarios), default=scenarios, help=f"of {','.join(scenarios)}")
    parser.add_argument("--seeds", type=int, default=1, help="how many rounds, each with other chances")
    parser.add_argument("--quick", action="store_true", help="shorter waits; some settings find nothing in them")
    parser.add_argument("--resume", action="store_true", help=f"leave out what is kept in {folder()}")
    parser.add_argument("--report", action="store_true", help="measure nothing: print what is kept")
    parser.add_argument("--write", action="store_true", help="write docs/peers.md, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
