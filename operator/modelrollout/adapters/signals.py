"""Told to stop, a process ends within LAST_RESORT seconds, whatever hangs, the event loop included."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

LAST_RESORT = 4.5
"""Seconds from the signal to the end of a process that does not come to an end by itself."""


class Stop(asyncio.Event):
    """Set by SIGTERM or SIGINT; from then on a thread of its own sees to it that the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self._last_resort: threading.Timer | None = None

    def listen(self) -> None:
        """Take the signals, from whoever has taken them. Call it inside the running event loop, in the main thread.

        Not as the loop takes them, which looks at a signal once it goes round: a loop that hangs, in a log that nobody
        reads for one, would never see it.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: self._told(loop))

    def set(self) -> None:
        """As Event.set; the first time counts the seconds from here."""
        self._count()
        super().set()

    def _told(self, loop: asyncio.AbstractEventLoop) -> None:
        self._count()
        loop.call_soon_threadsafe(self.set)

    def _count(self) -> None:
        if self._last_resort is None:
            self._last_resort = threading.Timer(LAST_RESORT, os._exit, (0,))  # nothing is flushed: that may hang too
            self._last_resort.daemon = True
            self._last_resort.start()


def leave(status: int) -> NoReturn:
    """End now: the interpreter would wait for threads, and one may hang in a name that is never resolved."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
