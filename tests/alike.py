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


def mark_the_others_slow(items: Iterable[pytest.Item]) -> None:
    """Of the cases of one test, n at equal distances stay quick, the first and the last among them."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    for alike in cases.values():
        mark = alike[0].get_closest_marker("alike")
        quick = spread(len(alike), int(mark.args[0]) if mark else QUICK_CASES)
        for number, item in enumerate(alike):
            if number not in quick:
                item.add_marker(pytest.mark.slow)


def spread(count: int, wanted: int) -> set[int]:
    """Up to `wanted` of the numbers below `count`, at equal distances, both ends included; for 1 the first."""
    if wanted >= count:
        return set(range(count))
    return {round(each * (count - 1) / max(wanted - 1, 1)) for each in range(wanted)}
