"""Model registries follow the rollouts: only the newest standing of each waits, by turns of namespaces, at a rate.

Nothing here is waited for: `follow` only puts something down, and one task for each registry compares and writes. It is
worked out from the status of every pass, so nothing is kept: after a restart or an outage all is compared once more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelrollout.api.borders.cleaning import clean, mapping
from modelrollout.core.registry import Standing, standing_of
from modelrollout.fair.rate import Rate
from modelrollout.ports import Registry, Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from modelrollout.api.config.registries import ModelRegistry
    from modelrollout.api.status import Status
    from modelrollout.runtime.metrics import Metrics

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds after the first failure of a registry, twice as many after each further one, and their end."""
RECHECK = 900.0
"""Seconds after which a standing that has not changed is compared again, since people can write there too."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Shown:
    """What a registry was last compared with, and when."""

    standing: Standing
    at: float
    left: tuple[str, ...] = ()


class Registrar:
    """For one registry and one event loop. `count` is told how each comparison ended."""

    def __init__(
        self,
        registry: ModelRegistry,
        way: Registry,
        count: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = registry.name
        self._registry, self._way, self._count, self._clock = registry, way, count, clock
        self._rate = Rate(registry.per_minute / 60, registry.per_minute, clock)
        self._lines: dict[str, dict[str, Standing]] = {}
        """What waits, by namespace and name, in the order in which namespaces had their last turn."""
        self._shown: dict[Key, Shown] = {}
        self._work: asyncio.Task[None] | None = None
        self._failing = ""

    @property
    def waiting(self) -> int:
        """How many rollouts wait."""
        return sum(map(len, self._lines.values()))

    def wants(self, namespace: str) -> bool:
        """Whether it follows ModelRollouts of that namespace."""
        return self._registry.has(namespace)

    def follow(self, standing: Standing) -> None:
        """Have it shown, unless it is, and return at once; what waits of the same rollout is out of date."""
        key = standing.namespace, standing.name
        shown = self._shown.get(key)
        waits = self._lines.get(key[0], {}).get(key[1])
        if waits is None and shown and shown.standing == standing and self._clock() - shown.at < RECHECK:
            return
        self._lines.setdefault(key[0], {})[key[1]] = standing
        if self._work is None or self._work.done():
            # Of a context of its own: it outlives the pass that began it, and works for others as well.
            self._work = asyncio.create_task(self._show_all(), context=Context())

    def forget(self, key: Key) -> None:
        """It is gone; what waits of it is still shown."""
        self._shown.pop(key, None)

    async def close(self) -> None:
        """What still waits is compared by whoever leads next."""
        if self._work is not None:
            self._work.cancel()
        await self._way.close()

    async def _show_all(self) -> None:
        pause = FIRST_PAUSE
        while self._lines:
            await self._rate.turn("", urgent=False)
            namespace = next(iter(self._lines))
            line = self._lines.pop(namespace)
            standing = line.pop(next(iter(line)))
            if line:
                self._lines[namespace] = line
            error = await self._show(standing)
            if error is None:
                pause = FIRST_PAUSE
                continue
            self._lines.setdefault(namespace, {}).setdefault(standing.name, standing)  # unless a newer one waits
            await asyncio.sleep(min(max(error.retry_after or 0.0, pause), LONGEST_PAUSE))
            pause *= 2

    async def _show(self, standing: Standing) -> Undelivered | None:
        """What was wrong, where it should be tried again."""
        try:
            async with asyncio.timeout(self._registry.timeout):
                written, left = await self._way.follow(standing)
        except Undelivered as error:
            found = error
        except TimeoutError:
            found = Undelivered(f"it took longer than {self._registry.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever a library raises; its text may hold an address
            found = Undelivered(f"{type(error).__name__}, of which no more is said")
        else:
            self._back()
            self._count(self.name, "incomplete" if left else "written" if written else "same")
            self._remember(standing, left)
            return None
        if found.final:
            self._count(self.name, "refused")
            self._remember(standing, (str(found),))
            return None
        self._count(self.name, "retried")
        if not self._failing:
            log.warning("registry %s: %s; it is tried again until it answers", self.name, found)
        self._failing = str(found)
        return found

    def _back(self) -> None:
        if self._failing:
            log.info("registry %s answers again", self.name)
        self._failing = ""

    def _remember(self, standing: Standing, left: tuple[str, ...]) -> None:
        """What was not said is logged once, not with every comparison."""
        key = standing.namespace, standing.name
        before = self._shown.get(key)
        if left and (before is None or before.left != left):
            log.warning("%s: registry %s does not say it all: %s", standing.owner, self.name, "; ".join(left))
        if not standing.gone:
            self._shown[key] = Shown(standing, self._clock(), left)


class Registrars:
    """All of them, as a pass knows them."""

    def __init__(self, ways: Mapping[str, tuple[ModelRegistry, Registry]], metrics: Metrics) -> None:
        updates = metrics.counter(
            "modelrollout_operator_registry_updates_total",
            "Comparisons of a model registry with a rollout, by how that ended",
            "registry",
            "outcome",
        )
        self._all = [Registrar(registry, way, updates.add) for registry, way in ways.values()]
        metrics.gauge(
            "modelrollout_operator_registry_waiting",
            "ModelRollouts that a registry does not show yet as they are",
            "registry",
            read=lambda: {(one.name,): float(one.waiting) for one in self._all},
        )

    def follow(self, obj: Mapping[str, Any], status: Status, *, gone: bool = False) -> None:
        """The ModelRollout as it is stored, with its status."""
        namespace, name = (str(obj["metadata"].get(key)) for key in ("namespace", "name"))
        wanting = [one for one in self._all if one.wants(namespace)]
        if not wanting:
            return
        model = clean(mapping(mapping(obj.get("spec")).get("model")).get("name"), 253) or name
        standing = standing_of(namespace, name, model, status, gone=gone)
        for one in wanting:
            one.follow(standing)

    def forget(self, key: Key) -> None:
        """The ModelRollout is gone."""
        for one in self._all:
            one.forget(key)

    async def close(self) -> None:
        """Let connections go."""
        for one in self._all:
            await one.close()
