"""The text of one rollout's samples, made once for as many scrapes as there are until its next pass.

A scrape of a thousand rollouts at rest would otherwise write the same ten thousand lines every fifteen seconds, which
was more than all else that they cost. Headers, numbers and what is not a rollout's are written by prometheus_client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.utils import floatToGoString

from modelrollout.runtime.exposition.rollouts import FAMILIES, IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelrollout.runtime.exposition.rollouts import Rows
    from modelrollout.runtime.metrics import Family

_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_number: Callable[[float], str] = floatToGoString
_BY_NAME: Final = {family.name: family for family in FAMILIES}


def text_of(rollouts: Iterable[Rows]) -> bytes:
    """The samples of all of them, family by family, in the exposition format."""
    of_each = [_lines(rows) for rows in rollouts]
    return b"".join(
        part
        for family in FAMILIES
        for part in (_header(family), *(lines[family.name] for lines in of_each if family.name in lines))
    )


def _lines(rows: Rows) -> dict[str, bytes]:
    """By family."""
    if rows.lines is None:
        rows.lines = {name: _written(_BY_NAME[name], rows) for name in rows}
    return rows.lines


def _written(family: Family, rows: Rows) -> bytes:
    names, found = family.labels, list[str]()
    for labels, value in rows[family.name]:
        pairs = sorted(zip(names, labels, strict=True))  # as the library has them
        said = ",".join(f'{name}="{label.translate(_ESCAPED)}"' for name, label in pairs)
        found.append(f"{family.name}{{{said}}} {_number(value)}\n")
    return "".join(found).encode()


def _header(family: Family) -> bytes:
    if family.name not in _HEADERS:
        registry = CollectorRegistry()
        registry.register(_Empty(family))
        _HEADERS[family.name] = generate_latest(registry)
    return _HEADERS[family.name]


_HEADERS: dict[str, bytes] = {}


class _Empty:
    """A Collector of a family without samples."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._family.name, f"{self._family.meaning}.", labels=(*IDENTITY,))
