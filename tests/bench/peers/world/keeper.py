"""A controller that ends is started again, as a Deployment would, and that is counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tests.lab import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.peers.tools import Tool

EVERY = 1.0
"""Seconds between two looks."""


class Keeper:
    """Looks after `tools` until `stop`."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)

    def _keep(self) -> None:
        while not self._over.wait(EVERY):
            for tool in self._tools:
                if not tool.process.running:
                    say(f"{tool.title} ended with {tool.process.returncode} and is started again; {tool.process.log}")
                    tool.restarts += 1
                    tool.process = tool.run()
