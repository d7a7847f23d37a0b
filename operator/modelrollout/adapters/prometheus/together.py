"""Many series at once, in the one form in which servers write them; whatever is written otherwise is read one by one.

An answer has a thousand series of a few samples each, so calls for each cost more than its numbers. Nothing is guessed:
marks that cannot stand within a text of JSON (a quotation mark in one is escaped) part series, labels and samples, and
their counts must fit. Otherwise nothing is read here, and the reader of any JSON says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from modelrollout.core.analysis.metrics.series import Labels
from modelrollout.core.analysis.stats.arrays import Array

FIRST, NEXT, LAST = b'{"metric":{', b']]},{"metric":{', b"]]}"
SAMPLE, VALUE = b'"],[', b',"'
"""What stands between two samples, and before a sample's value."""
_VALUES = b'},"values":[['
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
"""RFC 8259, 6: Python's own reading of a number takes more."""


class Points(NamedTuple):
    """One series of an answer; `head` is what stood before its first sample, and `text` its samples."""

    labels: Labels
    times: Array
    values: Array
    head: bytes = b""
    text: bytes = b""


def read_together(parts: list[bytes], labels_of: Callable[[bytes], Labels]) -> list[Points] | None:
    """The series that stand between FIRST and LAST, parted by NEXT; None where one is not of that form.

    `labels_of` reads what stands between the braces of labels; it raises ValueError or TypeError.
    """
    pieces = [one.partition(_VALUES) for one in parts]
    read = numbers([samples for _, _, samples in pieces])
    if read is None or not all(between for _, between, _ in pieces):
        return None
    try:
        labels = [labels_of(one) for one, _, _ in pieces]
    except (ValueError, TypeError):
        return None
    return [
        Points(mine, *pair, head + between, samples)
        for mine, pair, (head, between, samples) in zip(labels, read, pieces, strict=True)
    ]


def numbers(samples: list[bytes]) -> list[tuple[Array, Array]] | None:
    """(times, values) of each series; one array of times for those that follow one another with the same.

    None where something is no pair of a number and a text with a number.
    """
    counts = [one.count(SAMPLE) + 1 for one in samples]
    text = b"],[".join(samples)
    if not text.endswith(b'"') or text.count(VALUE) != sum(counts) or text.count(b'"') != 2 * sum(counts):
        return None
    every = text[:-1].replace(SAMPLE, b",").replace(VALUE, b",").split(b",")
    if len(every) != 2 * sum(counts):
        return None
    try:
        values = np.array(list(map(float, every[1::2])))
        return _parted(every[0::2], values, counts)
    except ValueError:
        return None


def _parted(times: list[bytes], values: Array, counts: list[int]) -> list[tuple[Array, Array]]:
    found: list[tuple[Array, Array]] = []
    last, same, start = list[bytes](), np.empty(0), 0
    for count in counts:
        end = start + count
        mine = times[start:end]
        if mine != last:
            if not all(map(_NUMBER.fullmatch, mine)):
                raise ValueError("a time is no number as JSON has them")
            last, same = mine, np.array(list(map(float, mine)))
        found.append((same, values[start:end]))
        start = end
    return found
