"""A version is ready when its Service has at least one address and every one of them says so itself."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.triton.exchange import NotHttpError, status_at
from modelrollout.adapters.triton.slices import SERVICE, VERSIONS, Slice, WatchedSlices
from modelrollout.api.borders.cleaning import clean, mapping, mappings, whole_number
from modelrollout.ports import Conflict, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_FLIGHT = 16
"""Probes of one version under way; every version has as many, whatever the addresses of another do."""
LAST_PORT, IPV6 = 65535, 6
KINDS = frozenset({"IPv4", "IPv6"})
"""Kinds of addresses that Pods have: a host's name in a slice leads anywhere, and is not followed."""
LONGEST_WHY = 80
MOST_ADDRESSES = 2000
OVERALL = 10.0
"""Seconds for all probes of one version together, however many addresses there are."""
REMEMBER = 60.0
"""Seconds for which addresses are still probed after the API server has stopped listing them."""
SERVICE_HOLDS = 60.0
"""Seconds for which a Service is taken to be as it was while all its addresses are ready."""


class TritonServer:
    """The ModelServer of ports.py, over EndpointSlices and Triton's per-version readiness; seconds."""

    def __init__(self, api: Api, *, timeout: float = 1.0, watched: WatchedSlices | None = None) -> None:
        self._api = api
        self._watched = watched
        self._timeout = timeout
        self._observation: dict[tuple[str, str, int], tuple[float, tuple[list[str], list[str]]]] = {}
        self._services: dict[tuple[str, str, int], tuple[float, tuple[str, str | None]]] = {}

    async def probe(self, namespace: str, service: str, port: int, model: str, version: str) -> tuple[int, str]:
        """(addresses that should answer, "" when all are ready or else what is wrong). Never raises."""
        count, wrong = await self._probe(namespace, service, port, model, version)
        if wrong:
            self._services.pop((namespace, service, port), None)
        return count, wrong

    async def _probe(self, namespace: str, service: str, port: int, model: str, version: str) -> tuple[int, str]:
        try:
            watched = None if self._watched is None else self._watched.known(namespace, service)
            found = await self._known_addresses(namespace, service, port, watched)
            count, wrong = await self._ready(service, found, namespace, model, version)
            if not wrong or watched is None:
                return count, wrong
            now = await self._known_addresses(namespace, service, port, None)
        except (Unreachable, Conflict, _NotServedError) as error:
            return 0, str(error)
        except Exception as error:  # noqa: BLE001 - objects of other people that are not what their kind says
            return 0, f"the addresses of {namespace}/{service} cannot be read: {type(error).__name__}"
        # A watch may be behind: that a version is not ready is said of addresses read just now.
        return (count, wrong) if now == found else await self._ready(service, now, namespace, model, version)

    async def _ready(
        self, service: str, found: tuple[list[str], list[str]], namespace: str, model: str, version: str
    ) -> tuple[int, str]:
        targets, unready = found
        count = len(targets) + len(unready)
        if not 0 < count <= MOST_ADDRESSES:
            many = f"{count} addresses, more than {MOST_ADDRESSES}" if count else "no addresses"
            return count, f"Service {namespace}/{service} has {many}"
        path = f"/v2/models/{quote(model, safe='')}/versions/{quote(version, safe='')}/ready"
        failures = [f"{address} is not ready in its EndpointSlice" for address in unready]
        try:
            async with asyncio.timeout(OVERALL):
                failures += await self._ask(targets, path)
        except TimeoutError:
            return count, f"{count} addresses of {service} did not all answer within {OVERALL:g} s"
        wrong = f"{len(failures)} of {count} addresses of {service} are not ready: {failures[0]}" if failures else ""
        return count, wrong

    async def _ask(self, targets: list[str], path: str) -> list[str]:
        slots = asyncio.Semaphore(IN_FLIGHT)
        answers = await asyncio.gather(*(self._one(slots, target, path) for target in targets))
        return [answer for answer in answers if answer]

    async def _one(self, slots: asyncio.Semaphore, target: str, path: str) -> str:
        try:
            async with slots, asyncio.timeout(self._timeout):
                status = await status_at(target, path)
        except TimeoutError:
            return f"{target} did not answer within {self._timeout:g} s"
        except NotHttpError:
            return f"{target} did not answer in HTTP"
        except OSError as error:
            return f"{target}: {os.strerror(error.errno) if error.errno else type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - whatever an address brings out makes it not ready, and no defect
            return f"{target}: {type(error).__name__}"
        return "" if status == HTTPStatus.OK else f"{target} answered {status}"

    async def _known_addresses(
        self, namespace: str, service: str, port: int, watched: list[Slice] | None
    ) -> tuple[list[str], list[str]]:
        """The addresses now; those of a moment ago where the API server fails, which says nothing about a model."""
        key = (namespace, service, port)
        try:
            found = await self._addresses(*key, watched)
        except _NotServedError:
            self._observation.pop(key, None)
            raise
        except (Unreachable, Conflict):
            at, found = self._observation.get(key, (-REMEMBER, ([], [])))
            if time.monotonic() - at >= REMEMBER:
                self._observation.pop(key, None)
                raise
        else:
            self._observation[key] = (time.monotonic(), found)
        return found

    async def _addresses(
        self, namespace: str, service: str, port: int, watched: list[Slice] | None
    ) -> tuple[list[str], list[str]]:
        name, family = await self._service(namespace, service, port)
        slices = await self._slices(namespace, service) if watched is None else watched
        return _targets(slices, name, family)

    async def _service(self, namespace: str, service: str, port: int) -> tuple[str, str | None]:
        """(its name of the port, the kind of addresses it serves first), as the Service says."""
        at, known = self._services.get((namespace, service, port), (0.0, None))
        if known is not None and time.monotonic() - at < SERVICE_HOLDS:
            return known
        found = await self._api.get(path_of("v1", "services", namespace, service))
        if found is None:
            raise _NotServedError(f"Service {namespace}/{service} does not exist")
        families = mapping(found.get("spec")).get("ipFamilies")
        known = _port_name(found, port), str(families[0]) if isinstance(families, list) and families else None
        self._services[namespace, service, port] = time.monotonic(), known
        return known

    async def _slices(self, namespace: str, service: str) -> list[dict[str, Any]]:
        query = {"labelSelector": f"{SERVICE}={service}"}
        for last, version in enumerate(VERSIONS, start=1):
            try:
                path = path_of(version, "endpointslices", namespace)
                answer = await self._api.request("GET", path, query=query)
            except Unreachable as error:
                if error.reason != "KindMissing" or last == len(VERSIONS):
                    raise
            else:
                return mappings(answer.get("items"))
        raise AssertionError  # the last version returns or raises


class _NotServedError(Exception):
    """The Service is not what the spec says."""


def _port_name(service: dict[str, Any], port: int) -> str:
    """The name under which the EndpointSlices carry the Service's port (its number may differ there)."""
    ports = mappings(mapping(service.get("spec")).get("ports"))
    for each in ports:
        if each.get("port") == port:
            return clean(each.get("name"), LONGEST_WHY)
    meta = service["metadata"]
    has = ", ".join(clean(each.get("port"), LONGEST_WHY) for each in ports) or "none"
    raise _NotServedError(f"Service {meta['namespace']}/{meta['name']} has no port {port} (it has {has})")


def _targets(slices: Iterable[dict[str, Any]], name: str, family: str | None) -> tuple[list[str], list[str]]:
    """(host:port of every address that should answer, host:port of those that are not ready), each once."""
    slices = [each for each in slices if each.get("addressType") in KINDS]
    kinds = {each["addressType"] for each in slices}
    ready: dict[str, None] = {}
    unready: dict[str, None] = {}
    for each in slices:
        if family in kinds and each["addressType"] != family:
            continue  # dual stack lists every pod twice
        for port in mappings(each.get("ports")):
            number = whole_number(port.get("port"), 0, LAST_PORT + 1, 0)
            if (port.get("name") or "") != name or not 0 < number <= LAST_PORT:
                continue
            for endpoint in mappings(each.get("endpoints")):
                conditions = mapping(endpoint.get("conditions"))
                if conditions.get("terminating"):
                    continue  # on its way out: the gateway no longer sends it anything
                into = unready if conditions.get("ready") is False else ready
                into.update(dict.fromkeys(_hosts(endpoint, number)))
    return list(ready), [address for address in unready if address not in ready]


def _hosts(endpoint: dict[str, Any], port: int) -> Iterable[str]:
    """host:port of each address that a Pod can have."""
    found = endpoint.get("addresses")
    for address in found if isinstance(found, list) else []:
        try:
            ip = ipaddress.ip_address(str(address))
        except ValueError:
            continue
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or "%" in str(ip):  # a cloud's metadata server
            continue
        yield f"[{ip}]:{port}" if ip.version == IPV6 else f"{ip}:{port}"
