"""One active operator: a Lease is judged by when it was seen to be renewed, never by the times written in it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.lease_record import HIGHEST, LONGEST, LeaseRecord, order_of, read_lease
from modelrollout.api.borders.cleaning import LONGEST_NAME, clean
from modelrollout.ports import Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP_VERSION = "coordination.k8s.io/v1"
DURATION, RENEW = 15.0, 5.0
"""Seconds a Lease lasts without a sign of life, and between two of them."""
SAFETY = 2 / 3
"""The part of the duration after which a leader that could not renew counts itself out, before others may."""

MOST_RISES = 8
"""How often a leader corrects the count: every route is marked anew then, and whoever writes one could ask for that."""
HANDED_OVER = 1
"""Seconds that a Lease says it lasts after a clean exit; one whose holder was merely cleared may have a leader."""

log = logging.getLogger(__name__)


class Lease:
    """A contender for the Lease `namespace`/`name`. Seconds throughout.

    `identity` must differ for every process, also across restarts of one Pod. `wall` only fills in the times
    that people read; the clock that decides is `monotonic`.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = DURATION,
        renew: float = RENEW,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < duration <= LONGEST:
            raise ValueError(f"duration: {duration:g} s; choose at most {LONGEST:g} s")
        if not 0 < renew < duration * SAFETY:
            raise ValueError(f"renew: {renew:g} s; choose less than two thirds of the duration of {duration:g} s")
        self._api, self._namespace, self._name, self.identity = api, namespace, name, identity
        self._duration, self._renew = duration, renew
        self._monotonic, self._wall = monotonic, wall
        self._lease: LeaseRecord | None = None
        self._held_at: float | None = None
        self._watched: tuple[tuple[str, ...], float] = ((), 0.0)
        self._least, self._rises = 0, MOST_RISES

    @property
    def epoch(self) -> str:
        """`CREATED.TRANSITIONS-IDENTITY`: rises with every change of leader, also when the Lease is created again."""
        if self._lease is None:
            raise RuntimeError("the Lease was never held, so there is no epoch")
        return f"{self._lease.created}.{self._lease.transitions or 0}-{self.identity}"

    @property
    def transitions(self) -> int:
        """How often the leader has changed, as last read by this process; 0 while it has read no Lease of its own."""
        return 0 if self._lease is None else self._lease.transitions or 0

    def held(self) -> bool:
        """Whether this process may still act; false before anybody else may take over."""
        return self._held_at is not None and self._monotonic() - self._held_at < self._duration * SAFETY

    async def acquire(self) -> str:
        """Wait, for as long as it takes, until the Lease is ours; returns the epoch."""
        while True:
            try:
                if await self._try_to_take():
                    log.info("this process leads, epoch %s", self.epoch)
                    return self.epoch
            except (Conflict, Unreachable) as error:
                log.warning("the Lease %s/%s was not taken: %s", self._namespace, self._name, error)
            await asyncio.sleep(self._renew / 2.5)

    def met(self, epoch: str) -> None:
        """A route carries this newer epoch: of a later leader, or of an earlier one if the count was lowered since.

        Only the first could take the Lease from this process, so the next renewal tells the two apart: where it goes
        through, being fenced, it carries a count above that epoch's along, and this leader's epoch is the newest again.
        """
        created, transitions = order_of(epoch)
        if self._lease is None or created != self._lease.created or not self._rises:
            return
        if self._count(self._lease) <= transitions < HIGHEST:
            self._least, self._rises = transitions + 1, self._rises - 1
            text = "a route carries the epoch %s, newer than %s: unless another process took the Lease, its count was "
            text += "lowered, and is %d with the next renewal"
            log.warning(text, clean(epoch, LONGEST_NAME), self.epoch, self._least)

    async def seize(self) -> bool:
        """Take the Lease from its holder; returns whether there was one, which then ends when it next tries to renew.

        Tried for one duration; raises Conflict or Unreachable when that failed.
        """
        end = self._monotonic() + self._duration
        while True:
            try:
                return await self._take_by_force()
            except (Conflict, Unreachable) as error:
                if self._monotonic() > end or getattr(error, "reason", "") == "ApiForbidden":
                    raise
                await asyncio.sleep(self._renew / 10)

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Renew until the Lease is lost, then call `lost` once with the sentence saying why, and return."""
        while True:
            await asyncio.sleep(self._renew)
            try:
                reason = await self._renewed()
            except Exception as error:  # whatever it is: who does not renew must end, not stay and lead nobody
                log.exception("the Lease was not renewed")
                reason = f"renewing it failed with {type(error).__name__}"
            if reason:
                self._held_at = None
                lost(reason)
                return

    async def release(self) -> None:
        """Release the Lease at a clean exit, so that the next leader need not wait for its duration; best effort."""
        if self._lease is None or self._held_at is None:
            return
        self._held_at = None
        try:
            await self._write(self._lease, holder="")
        except (Conflict, Unreachable) as error:
            log.debug("the Lease was not handed over: %s", error)

    async def _try_to_take(self) -> bool:
        began = self._monotonic()
        found = await self._api.get(self._path(), timeout=self._patience())
        if found is None:
            self._hold(await self._create(), began)
            return True
        lease = read_lease(found)
        if lease.signs != self._watched[0]:
            self._watched = (lease.signs, self._monotonic())
        handed = lease.holder == "" and lease.duration == HANDED_OVER
        free = lease.countable and (handed or lease.holder == self.identity)
        if not free and self._monotonic() - self._watched[1] < max(lease.duration, self._duration):
            return False
        self._hold(await self._take(lease), began)
        return True

    async def _take_by_force(self) -> bool:
        began = self._monotonic()
        found = await self._api.get(self._path(), timeout=self._patience())
        if found is None:
            self._hold(await self._create(), began)
            return False
        lease = read_lease(found)
        self._hold(await self._take(lease), began)
        return lease.holder not in ("", self.identity)

    async def _take(self, lease: LeaseRecord) -> LeaseRecord:
        """Count a new tenure, or where that cannot be counted replace the Lease: a later creation is a newer epoch."""
        if lease.countable:
            return await self._write(lease, holder=self.identity, taken=True)
        log.warning("the Lease %s/%s has no usable count and is created again", self._namespace, self._name)
        if lease.kept:  # a finalizer would keep it, deleted or not
            patch = {"metadata": lease.meta | {"finalizers": None}}
            lease = read_lease(await self._api.patch(self._path(), patch, timeout=self._patience()))
        fence = {key: lease.meta[key] for key in ("uid", "resourceVersion")}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": fence}
        await self._api.request("DELETE", self._path(), body=options, timeout=self._patience())
        return await self._create()

    async def _renewed(self) -> str:
        """Renew once, with tries until the deadline; "" or why the Lease is lost."""
        failure = "it was not renewed in time"
        while self.held():
            began = self._monotonic()
            try:
                assert self._lease is not None
                self._hold(await self._write(self._lease, holder=self.identity), began)
            except NotFound:
                return "the Lease was deleted"
            except Conflict:
                reason = await self._look_again()
                if reason:
                    return reason
            except Unreachable as error:
                failure = str(error)
                await asyncio.sleep(self._renew / 10)
            else:
                return ""
        return f"the Lease could not be renewed for {self._duration * SAFETY:.3g} s: {failure}"

    async def _look_again(self) -> str:
        """After a conflict: another process took it, or it is ours and merely changed (an answer got lost)."""
        try:
            found = await self._api.get(self._path(), timeout=self._patience())
            now = read_lease(found) if found is not None else None
        except (Conflict, Unreachable):
            return ""  # not known; the deadline decides
        assert self._lease is not None
        if now is None or now.meta["uid"] != self._lease.meta["uid"]:
            return "the Lease was deleted"
        # No process that leads writes a lower count. Ours is written again, or the next epoch would not be newer.
        if now.holder != self.identity or (now.transitions or 0) > self._count(self._lease):
            return f"{clean(now.holder, LONGEST_NAME) or 'another process'} took the Lease"
        self._lease = replace(now, transitions=self._lease.transitions)
        return ""

    def _hold(self, lease: LeaseRecord, began: float) -> None:
        self._lease, self._held_at = lease, began

    async def _create(self) -> LeaseRecord:
        lease = {
            "apiVersion": GROUP_VERSION,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(self.identity, taken=True) | {"leaseTransitions": 0},
        }
        return read_lease(await self._api.post(self._path(named=False), lease, timeout=self._patience()))

    async def _write(self, lease: LeaseRecord, *, holder: str, taken: bool = False) -> LeaseRecord:
        """Fenced by the version `lease` was read with. Every new tenure counts as a transition."""
        spec = dict.fromkeys(lease.others) | self._spec(holder, taken=taken)
        if not holder:
            spec["leaseDurationSeconds"] = HANDED_OVER
        spec["leaseTransitions"] = self._count(lease) + int(taken)
        patch = {"metadata": lease.meta, "spec": spec}
        return read_lease(await self._api.patch(self._path(), patch, timeout=self._patience()))

    def _count(self, lease: LeaseRecord) -> int:
        """The transitions of our tenure: what is stored, or more where a route has seen more."""
        return max(lease.transitions or 0, self._least)

    def _spec(self, holder: str, *, taken: bool) -> dict[str, object]:
        now = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: dict[str, object] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }
        return spec | ({"acquireTime": now} if taken else {})

    def _patience(self) -> float:
        return max(0.2, self._duration * SAFETY / 4)

    def _path(self, *, named: bool = True) -> str:
        return path_of(GROUP_VERSION, "leases", self._namespace, self._name if named else None)
