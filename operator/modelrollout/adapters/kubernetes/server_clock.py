"""One time for all leaders: the API server's, learnt from its answers, so that a skewed node shortens no hold."""

from __future__ import annotations

import logging
import math
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
NOTABLE = 5.0
RESOLUTION = 1.0
"""Seconds: an HTTP date is cut to whole ones."""


class ServerClock:
    """The Clock of ports.py. Between answers the monotonic clock counts, so a step of the node's clock moves nothing.

    An answer dated D, asked for at `sent` and here at `received`, was written between the two by a server whose
    clock stood in [D, D+1): that bounds the offset from both sides. Many answers bound it to a few milliseconds. What
    moves it by more than NOTABLE seconds must be said by two answers, one after the other; the first ever is believed.
    """

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._told, self._doubted = False, math.inf

    def now(self) -> float:
        """Epoch seconds to the millisecond, which is what status can store."""
        return round(self._monotonic() + self._offset, 3)

    def elapsed(self) -> float:
        """Monotonic seconds, to hand to `heard` as `sent`."""
        return self._monotonic()

    def heard(self, date: str | None, sent: float) -> None:
        """Learn from an answer's Date header; one that is missing or no date teaches nothing."""
        at = epoch_of(date)
        if at is None:
            return
        low, high = at - self._monotonic(), at + RESOLUTION - sent
        if low <= self._offset <= high:
            self._told, self._doubted = True, math.inf
            return
        # Far off, start at the early end: time that runs late makes a hold longer, never shorter.
        nearest = low if self._offset < low or self._offset > high + RESOLUTION else high
        if abs(nearest - self._offset) > NOTABLE:
            doubted, self._doubted = self._doubted, nearest
            if self._told and abs(nearest - doubted) > NOTABLE:
                return  # the page of a proxy, perhaps: what is true the next answer says again
            log.warning("this node's clock is %.0f s off the API server's, which counts", self._offset - nearest)
        self._told, self._offset, self._doubted = True, nearest, math.inf


def epoch_of(date: str | None) -> float | None:
    """An HTTP date (RFC 9110) in epoch seconds; None for anything else."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):  # a text from outside can be anything
        return None
