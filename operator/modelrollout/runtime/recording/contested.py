"""Somebody else keeps writing the same ModelRollout: its record is tried again on what stands now, if that is the same.

A record is fenced, so every write in between refuses it. Reading the object once more and deciding again takes a
fraction of a pass; what comes out is recorded only where nothing but texts differ. Anything else is the next pass's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from modelrollout.adapters.kubernetes.managed_fields import other_writer
from modelrollout.core import reasons
from modelrollout.core.observation import FIELD_MANAGER, Event
from modelrollout.core.rollout.decide import Decision
from modelrollout.ports import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TRIES = 5
"""Writes of one record at most, the first included."""
PATIENCE = 1.0
"""Seconds after the first refusal in which another try may begin: a lowering of this resource waits for no more."""
MANY = 3
"""Passes in a row that could not record, until people are told."""
INTENT = ("phase", "stable", "previous", "candidate", "step", "rollout", "weight", "rejected", "paused")
"""What of a status a route may follow from; the rest is for people and for later."""

Reading = tuple[dict[str, Any], Decision]
"""An object as it was read, and what the pass decides on it."""
Done = TypeVar("Done")


async def insist(
    write: Callable[[dict[str, Any], Decision], Awaitable[Done]],
    first: Reading,
    again: Callable[[], Awaitable[dict[str, Any] | None]],
    decide: Callable[[dict[str, Any]], Decision],
) -> tuple[Decision, Done]:
    """What was decided and recorded. Raises the first Conflict where it cannot be recorded with the same intent."""
    obj, decision = first
    try:
        return decision, await write(obj, decision)
    except Conflict:
        end = asyncio.get_running_loop().time() + PATIENCE
        for _ in range(TRIES - 1):
            found = await again() if asyncio.get_running_loop().time() < end else None
            if found is None or not same_matter(obj, found) or version_of(found) == version_of(obj):
                raise  # what has not changed is refused for another reason: that is for the next pass
            newer = decide(found)
            if not same_intent(decision, newer):
                raise
            obj = found
            try:
                return newer, await write(found, newer)
            except Conflict:
                continue
        raise


def version_of(obj: dict[str, Any]) -> object:
    """The object's resourceVersion."""
    return obj["metadata"].get("resourceVersion")


def same_matter(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether it is the same object with the same spec, and neither is to be deleted."""
    kept = ("uid", "generation", "deletionTimestamp", "finalizers")
    return all(before["metadata"].get(key) == now["metadata"].get(key) for key in kept)


def same_intent(before: Decision, now: Decision) -> bool:
    """Whether both lower, record and raise the same: only what people read may differ."""
    same = (now.trigger, now.lower, now.route, now.consume_command) == (
        before.trigger, before.lower, before.route, before.consume_command
    )  # fmt: skip
    return same and all(getattr(now.status, name) == getattr(before.status, name) for name in INTENT)


def contested(obj: dict[str, Any]) -> Event:
    """Tells people what holds a rollout whose status nobody can record."""
    who = other_writer(obj["metadata"], FIELD_MANAGER) or "nobody known"
    text = (
        f"the status could not be recorded in {MANY} passes in a row: somebody else keeps writing this ModelRollout, "
        f"last {who}; until that ends nothing is raised, and what takes traffic away still does "
        f"(who writes it: kubectl get modelrollout {obj['metadata']['name']} -o yaml --show-managed-fields)"
    )
    return Event(reasons.STATUS_CONTESTED, text, warning=True)
