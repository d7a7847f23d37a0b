"""Of many cases alike, a few spread over all of them are run after every change, the others with everything.

How many is said by the mark `alike(n)`, and is two for a unit test without it: else every list of cases that grows
makes everybody wait.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


QUICK_CASES = 2
QUICK = "not slow"
"""What is asked for with -m after every change; the cases that it leaves out are then not even made."""


def leave_out_the_others(metafunc: pytest.Metafunc) -> None:
    """Of a test's cases only those that stay quick: to make the others and drop them takes as long as most tests."""
    if metafunc.config.option.markexpr != QUICK:
        return
    slow = metafunc.definition.get_closest_marker("slow") or metafunc.definition.get_closest_marker("long")
    quick = {0} if slow else _quick(metafunc.definition, len(metafunc._calls))
    metafunc._calls[:] = [call for number, call in enumerate(metafunc._calls) if number in quick]


def mark_the_others_slow(items: Iterable[pytest.Item]) -> None:
    """Of the cases of one test, n at equal distances stay quick, the first and the last among them."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    for alike in cases.values():
        quick = _quick(alike[0], len(alike))
        for number, item in enumerate(alike):
            if number not in quick:
                item.add_marker(pytest.mark.slow)


def _quick(test: pytest.Item, cases: int) -> set[int]:
    mark = test.get_closest_marker("alike")
    return spread(cases, int(mark.args[0]) if mark else QUICK_CASES)


def spread(count: int, wanted: int) -> set[int]:
    """Up to `wanted` of the numbers below `count`, at equal distances, both ends included; for 1 the first."""
    if wanted >= count:
        return set(range(count))
    return {round(each * (count - 1) / max(wanted - 1, 1)) for each in range(wanted)}
