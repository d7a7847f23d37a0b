"""Every weight that a candidate ever had, from the API server's watch of whatever object the tool writes."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab import Kube

Shares = dict[str, list[tuple[float, int]]]
"""By object: (time.time() of the event, percent for the candidate), repetitions left out."""


class Recorder:
    """Follows one kind in one namespace until `stop`; `share` reads an object's percent for the candidate."""

    def __init__(
        self, kube: Kube, kind: tuple[str, str], namespace: str, share: Callable[[dict[str, Any]], int]
    ) -> None:
        self._kube, self._kind, self._namespace, self._share = kube, kind, namespace, share
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._seen: Shares = defaultdict(list)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()

    def forget(self) -> None:
        """What was seen up to now belongs to the setting-up."""
        for seen in list(self._seen.values()):
            del seen[:-1]

    def shares(self) -> list[tuple[str, list[tuple[float, int]]]]:
        """By object's name."""
        return [(name, list(seen)) for name, seen in list(self._seen.items())]

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                for event in self._kube.watch(*self._kind, self._namespace, 30):
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._note(event["object"])
            except Exception:  # noqa: BLE001 - a watch that breaks is taken up again, whatever broke it
                self._over.wait(0.5)

    def _note(self, found: dict[str, Any]) -> None:
        seen, share = self._seen[found["metadata"]["name"]], self._share(found)
        if not seen or seen[-1][1] != share:
            seen.append((time.time(), share))


def share_of(backends: list[dict[str, Any]], candidate: str) -> int:
    """Percent for the backend called `candidate`."""
    weights = {each["name"]: int(each.get("weight", 1)) for each in backends}
    return round(100 * weights.get(candidate, 0) / (sum(weights.values()) or 1))
