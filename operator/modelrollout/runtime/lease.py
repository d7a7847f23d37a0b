"""One active operator: a Lease is judged by when it was seen to change, never by the times written in it."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.ports import Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP_VERSION = "coordination.k8s.io/v1"
DURATION, RENEW = 15.0, 5.0
"""Seconds a Lease lasts without a sign of life, and between two of them."""
SAFETY = 2 / 3
"""The part of the duration after which a leader that could not renew counts itself out, before others may."""

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
        if not 0 < renew < duration * SAFETY:
            raise ValueError(f"renew: {renew:g} s; choose less than two thirds of the duration of {duration:g} s")
        self._api, self._namespace, self._name, self.identity = api, namespace, name, identity
        self._duration, self._renew = duration, renew
        self._monotonic, self._wall = monotonic, wall
        self._lease: dict[str, Any] | None = None
        self._held_at: float | None = None
        self._watched: tuple[str, float] = ("", 0.0)

    @property
    def epoch(self) -> str:
        """`CREATED.TRANSITIONS-IDENTITY`: rises with every change of leader, also when the Lease is created again."""
        if self._lease is None:
            raise RuntimeError("the Lease was never held, so there is no epoch")
        created = int(parse_timestamp(self._lease["metadata"]["creationTimestamp"]))
        return f"{created}.{int(self._lease['spec'].get('leaseTransitions') or 0)}-{self.identity}"

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
            reason = await self._renewed()
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
        spec, version = found.get("spec") or {}, found["metadata"]["resourceVersion"]
        if version != self._watched[0]:
            self._watched = (version, self._monotonic())
        holder = spec.get("holderIdentity") or ""
        lasts = max(float(spec.get("leaseDurationSeconds") or 0), self._duration)
        if holder not in ("", self.identity) and self._monotonic() - self._watched[1] < lasts:
            return False
        self._hold(await self._write(found, holder=self.identity, taken=True), began)
        return True

    async def _take_by_force(self) -> bool:
        began = self._monotonic()
        found = await self._api.get(self._path(), timeout=self._patience())
        if found is None:
            self._hold(await self._create(), began)
            return False
        holder = (found.get("spec") or {}).get("holderIdentity") or ""
        self._hold(await self._write(found, holder=self.identity, taken=True), began)
        return holder not in ("", self.identity)

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
        except (Conflict, Unreachable):
            return ""  # not known; the deadline decides
        assert self._lease is not None
        if found is None or found["metadata"]["uid"] != self._lease["metadata"]["uid"]:
            return "the Lease was deleted"
        ours, theirs = self._lease["spec"], found.get("spec") or {}
        holder = theirs.get("holderIdentity") or ""
        if holder != self.identity or theirs.get("leaseTransitions") != ours.get("leaseTransitions"):
            return f"{holder or 'another process'} took the Lease"
        self._lease = found
        return ""

    def _hold(self, lease: dict[str, Any], began: float) -> None:
        self._lease, self._held_at = lease, began

    async def _create(self) -> dict[str, Any]:
        lease = {
            "apiVersion": GROUP_VERSION,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(self.identity, taken=True) | {"leaseTransitions": 0},
        }
        return await self._api.post(self._path(named=False), lease, timeout=self._patience())

    async def _write(self, lease: dict[str, Any], *, holder: str, taken: bool = False) -> dict[str, Any]:
        """Fenced by the version `lease` was read with. Every new tenure counts as a transition."""
        spec = dict(lease.get("spec") or {}) | self._spec(holder, taken=taken)
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + int(taken)
        meta = {key: lease["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
        patch = {"metadata": meta, "spec": spec}
        return await self._api.patch(self._path(), patch, timeout=self._patience())

    def _spec(self, holder: str, *, taken: bool) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }
        return spec | ({"acquireTime": now} if taken else {})

    def _patience(self) -> float:
        return max(0.2, self._duration * SAFETY / 4)

    def _path(self, *, named: bool = True) -> str:
        return path_of(GROUP_VERSION, "leases", self._namespace, self._name if named else None)
