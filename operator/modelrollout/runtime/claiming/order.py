"""Who comes after whom, and what a resource waits for: read where it may start, and woken when that one changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.api.base import KIND
from modelrollout.api.borders.cleaning import clean
from modelrollout.api.status import Status
from modelrollout.core.predecessor import Predecessor
from modelrollout.core.rollout import phases
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import ObservedRoute
    from modelrollout.ports import ObjectStore

Key = tuple[str, str]
LONGEST_NAME = 128
ALL = 100
"""Percent of the requests."""


@dataclass
class Order:
    """The order among the resources of this process; a resource is known from its first pass on."""

    _after: dict[Key, Key] = field(default_factory=dict)
    _waiting: dict[Key, Key] = field(default_factory=dict)
    """Only those that would start now."""

    def forget(self, key: Key) -> None:
        """It is gone."""
        self._after.pop(key, None)
        self._waiting.pop(key, None)

    def waiting_for(self, key: Key) -> list[Key]:
        """Who would start if this one had promoted their version."""
        return [other for other, one in self._waiting.items() if one == key]

    def note(self, key: Key, spec: Spec | None) -> None:
        """Where it stands from now on."""
        self._waiting.pop(key, None)
        if spec is None or spec.after is None:
            self._after.pop(key, None)
        else:
            self._after[key] = (spec.after.namespace or key[0], spec.after.name)

    async def look(
        self, store: ObjectStore, key: Key, spec: Spec | None, status: Status, route: ObservedRoute | None
    ) -> Predecessor | None:
        """What `key` waits for; None where it would not start now, or where stable has not all traffic yet.

        So no lowering ever waits for somebody else's object.
        """
        self.note(key, spec)
        if key not in self._after or spec is None or status.phase != "Serving" or spec.model.version == status.stable:
            return None
        if route is not None and route.weight_of(status.stable) != ALL:
            return None
        one = self._waiting[key] = self._after[key]
        try:
            found = await store.get(*one)
        except Unreachable as error:
            return Predecessor(_name(one), unread=str(error))
        return _read(_name(one), found, self._circle(key))

    def _circle(self, key: Key) -> tuple[str, ...]:
        chain, one = [key], self._after[key]
        while one in self._after and one not in chain:
            chain.append(one)
            one = self._after[one]
        return (*(_name(each) for each in chain), _name(key)) if one == key else ()


def _read(name: str, obj: dict[str, Any] | None, circle: tuple[str, ...]) -> Predecessor:
    if obj is None or circle:
        return Predecessor(name, circle=circle)
    spec = obj.get("spec")
    model = spec.get("model") if isinstance(spec, dict) else None
    called = clean(str(model.get("name") or ""), LONGEST_NAME) if isinstance(model, dict) else ""
    try:
        status = Status.model_validate(obj.get("status") or {})
    except Exception:  # noqa: BLE001 - it is somebody else's, of any depth
        return Predecessor(name, unread=f"the status of {KIND} {name} cannot be read")
    refused = status.rejected.version if status.rejected else None
    return Predecessor(name, model=called, stable=status.stable, running=phases.running(status.phase), refused=refused)


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}"
