"""A version is ready when its Service has at least one address and every one of them says so itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton.addresses import (
    Addresses,
    NotServedError,
    addresses,
    is_pod_of,
    service_of,
    slices_of,
)
from modelrollout.adapters.triton.exchange import NotHttpError, status_at
from modelrollout.adapters.triton.slices import Slice, WatchedSlices
from modelrollout.adapters.triton.tls import Secured, TlsError, secured
from modelrollout.api.config import Probes
from modelrollout.fair.line import Line
from modelrollout.fair.tenant import tenant
from modelrollout.ports import Conflict, NotAsked, Unreachable

IN_FLIGHT = 16
"""Probes of one version under way; every version has as many, whatever the addresses of another do."""
OF_ITS_OWN = 2
"""Of those, probes that wait for no other version."""
ALL_IN_FLIGHT, MOST_IN_FLIGHT = 256, 128
"""Further probes of all versions under way, and those for one namespace."""
MOST_ADDRESSES = 2000
OVERALL = 10.0
"""Seconds for all probes of one version together, however many addresses there are."""
REMEMBER = 60.0
"""Seconds for which addresses are still probed after the API server has stopped listing them."""
SERVICE_HOLDS = 60.0
"""Seconds for which a Service is taken to be as it was while all its addresses are ready."""


@dataclass(frozen=True)
class _Asked:
    """What is asked of each address of a Service, and how it proves who it is."""

    service: str
    namespace: str
    model: str
    version: str | None
    proof: Secured | None

    @property
    def path(self) -> str:
        which = "" if self.version is None else f"/versions/{quote(self.version, safe='')}"
        return f"/v2/models/{quote(self.model, safe='')}{which}/ready"


class TritonServer:
    """The ModelServer of ports.py, over EndpointSlices and Triton's per-version readiness; seconds."""

    def __init__(
        self, api: Api, *, timeout: float = 1.0, watched: WatchedSlices | None = None, probes: Probes | None = None
    ) -> None:
        self._api = api
        self._probes = probes or Probes()
        self._watched = watched
        self._timeout = timeout
        self._line = Line(ALL_IN_FLIGHT, MOST_IN_FLIGHT)
        self._observation: dict[tuple[str, str, int], tuple[float, Addresses]] = {}
        self._services: dict[tuple[str, str, int], tuple[float, tuple[str, str | None]]] = {}

    async def probe(self, namespace: str, service: str, port: int, model: str, version: str | None) -> tuple[int, str]:
        """(addresses that should answer, "" when all are ready or else what is wrong). Never raises."""
        count, wrong = await self._probe(namespace, service, port, model, version)
        if wrong:
            self._services.pop((namespace, service, port), None)
        return count, wrong

    async def _probe(self, namespace: str, service: str, port: int, model: str, version: str | None) -> tuple[int, str]:
        try:
            tls = self._probes.tls_of(namespace, port)
            asked = _Asked(
                service, namespace, model, version, None if tls is None else secured(tls, namespace, service)
            )
            watched = None if self._watched is None else self._watched.known(namespace, service)
            found = await self._known_addresses(namespace, service, port, watched)
            count, wrong = await self._ready(asked, found)
            if not wrong or watched is None:
                return count, wrong
            now = await self._known_addresses(namespace, service, port, None)
        except (Unreachable, Conflict, NotServedError, TlsError) as error:
            return 0, str(error)
        except Exception as error:  # noqa: BLE001 - objects of other people that are not what their kind says
            return 0, f"the addresses of {namespace}/{service} cannot be read: {type(error).__name__}"
        # A watch may be behind: that a version is not ready is said of addresses read just now.
        return (count, wrong) if now == found else await self._ready(asked, now)

    async def _ready(self, asked: _Asked, found: Addresses) -> tuple[int, str]:
        service, namespace, count = asked.service, asked.namespace, found.count
        if not 0 < count <= MOST_ADDRESSES:
            many = f"{count} addresses, more than {MOST_ADDRESSES}" if count else "no addresses"
            return count, f"Service {namespace}/{service} has {many}"
        failures = [f"{address} is not ready in its EndpointSlice" for address in found.unready]
        try:
            async with asyncio.timeout(OVERALL):
                failures += await self._ask(found.asked, asked)
        except TimeoutError:
            return count, f"{count} addresses of {service} did not all answer within {OVERALL:g} s"
        if failures:
            return count, f"{len(failures)} of {count} addresses of {service} are not ready: {failures[0]}"
        return count, _refusal(found, namespace, service) if found.refused else ""

    def _may_ask(self, namespace: str, endpoint: Slice, address: str) -> bool:
        return is_pod_of(namespace, endpoint, address) or self._probes.allows(namespace, address)

    async def _ask(self, targets: Iterable[str], asked: _Asked) -> list[str]:
        slots, own = asyncio.Semaphore(IN_FLIGHT), asyncio.Semaphore(OF_ITS_OWN)
        answers = await asyncio.gather(*(self._one(slots, own, target, asked) for target in targets))
        return [answer for answer in answers if answer]

    async def _one(self, slots: asyncio.Semaphore, own: asyncio.Semaphore, target: str, asked: _Asked) -> str:
        try:
            # Addresses that hang hold what is shared, for another model of their namespace too.
            async with slots, self._line.place(tenant()) if own.locked() else own, asyncio.timeout(self._timeout):
                status = await status_at(target, asked.path, asked.proof)
        except TimeoutError:
            return f"{target} did not answer within {self._timeout:g} s"
        except NotHttpError:
            return f"{target} did not answer in HTTP"
        except TlsError as error:
            return f"{target}: {error}"
        except OSError as error:
            return f"{target}: {os.strerror(error.errno) if error.errno else type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - whatever an address brings out makes it not ready, and no defect
            return f"{target}: {type(error).__name__}"
        return "" if status == HTTPStatus.OK else f"{target} answered {status}"

    async def _known_addresses(self, namespace: str, service: str, port: int, watched: list[Slice] | None) -> Addresses:
        """The addresses now; those of a moment ago where the API server fails, which says nothing about a model."""
        key = (namespace, service, port)
        try:
            found = await self._addresses(*key, watched)
        except NotServedError:
            self._observation.pop(key, None)
            raise
        except (Unreachable, Conflict):
            at, found = self._observation.get(key, (-REMEMBER, Addresses()))
            if time.monotonic() - at >= REMEMBER:
                self._observation.pop(key, None)
                raise
        else:
            self._observation[key] = (time.monotonic(), found)
        return found

    async def _addresses(self, namespace: str, service: str, port: int, watched: list[Slice] | None) -> Addresses:
        name, family = await self._service(namespace, service, port)
        slices = await slices_of(self._api, namespace, service) if watched is None else watched
        return addresses(slices, name, family, partial(self._may_ask, namespace))

    async def _service(self, namespace: str, service: str, port: int) -> tuple[str, str | None]:
        """(its name of the port, the kind of addresses it serves first), as the Service says."""
        at, known = self._services.get((namespace, service, port), (0.0, None))
        if known is not None and time.monotonic() - at < SERVICE_HOLDS:
            return known
        known = await service_of(self._api, namespace, service, port)
        self._services[namespace, service, port] = time.monotonic(), known
        return known


def _refusal(found: Addresses, namespace: str, service: str) -> NotAsked:
    """What nobody may ask is neither ready nor lost."""
    return NotAsked(
        f"{len(found.refused)} of {found.count} addresses of {service} may not be asked, such as {found.refused[0]}: "
        f"its EndpointSlice names no Pod of namespace {namespace} (targetRef); the operator's configuration can allow "
        "it: probes.allowed"
    )
