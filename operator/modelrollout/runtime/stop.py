"""Told to stop, the process ends within LAST_RESORT seconds, whatever hangs, the event loop included."""

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

    def listen(self) -> None:
        """Take the signals, also from kopf, which takes them when it starts. Call it inside the running event loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.set)

    def set(self) -> None:
        """As Event.set; the first time counts the seconds from here."""
        if not self.is_set():
            last_resort = threading.Timer(LAST_RESORT, leave, (0,))
            last_resort.daemon = True
            last_resort.start()
        super().set()


def leave(status: int) -> NoReturn:
    """End now: the interpreter would wait for threads, and one may hang in a name that is never resolved."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
