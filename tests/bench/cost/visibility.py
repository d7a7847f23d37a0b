"""When a sample could first be read from Prometheus, measured by a client other than the operator."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Self

from tests.lab import query

#: Seconds between two looks.
EVERY = 0.04
HEARTBEAT = "nv_inference_request_success"


class Visibility:
    """Asks for the newest sample of every model server of a namespace and of the gateway. A context manager."""

    def __init__(self, url: str, namespace: str) -> None:
        models = f'max by (instance) (timestamp({HEARTBEAT}{{namespace="{namespace}"}}))'
        gateway = "max by (instance) (timestamp(traefik_config_reloads_total))"
        self._url, self._query = url, f"{models} or {gateway}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        #: target: {time of the sample: time.time() at which the first query that held it was sent}
        self.first: dict[str, dict[float, float]] = defaultdict(dict)

    def readable(self, end: float) -> float:
        """When every target's last sample up to `end` was readable, and `end` was over (time.time())."""
        last = [max((at for at in list(seen) if at <= end), default=None) for seen in self.first.values()]
        found = [seen[at] for seen, at in zip(self.first.values(), last, strict=True) if at is not None]
        return max([end, *found])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            sent = time.time()
            for row in query(self._url, self._query):
                seen = self.first[row["metric"].get("instance", "")]
                seen.setdefault(float(row["value"][1]), sent)
