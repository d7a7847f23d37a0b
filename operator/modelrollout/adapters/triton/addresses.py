"""Where a version is served: its Service's port and the addresses behind it, as Service and EndpointSlices say."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import clean, mapping, mappings, whole_number
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LAST_PORT, IPV6 = 65535, 6
KINDS = frozenset({"IPv4", "IPv6"})
"""Kinds of addresses that Pods have: a host's name in a slice leads anywhere, and is not followed."""
LONGEST_WHY = 80
SERVICE = "kubernetes.io/service-name"
"""The label that names a slice's Service."""
SLICES = ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1")


class NotServedError(Exception):
    """The Service is not what the spec says."""


async def service_of(api: Api, namespace: str, service: str, port: int) -> tuple[str, str | None]:
    """(its name of the port, the kind of addresses it serves first). Raises NotServedError where it lacks either."""
    found = await api.get(path_of("v1", "services", namespace, service))
    if found is None:
        raise NotServedError(f"Service {namespace}/{service} does not exist")
    families = mapping(found.get("spec")).get("ipFamilies")
    return port_name(found, port), str(families[0]) if isinstance(families, list) and families else None


async def slices_of(api: Api, namespace: str, service: str) -> list[dict[str, Any]]:
    """The EndpointSlices of a Service."""
    query = {"labelSelector": f"{SERVICE}={service}"}
    for last, version in enumerate(SLICES, start=1):
        try:
            answer = await api.request("GET", path_of(version, "endpointslices", namespace), query=query)
        except Unreachable as error:
            if error.reason != "KindMissing" or last == len(SLICES):
                raise
        else:
            return mappings(answer.get("items"))
    raise AssertionError  # the last version returns or raises


def port_name(service: dict[str, Any], port: int) -> str:
    """The name under which the EndpointSlices carry the Service's port (its number may differ there)."""
    ports = mappings(mapping(service.get("spec")).get("ports"))
    for each in ports:
        if each.get("port") == port:
            return clean(each.get("name"), LONGEST_WHY)
    meta = service["metadata"]
    has = ", ".join(clean(each.get("port"), LONGEST_WHY) for each in ports) or "none"
    raise NotServedError(f"Service {meta['namespace']}/{meta['name']} has no port {port} (it has {has})")


@dataclass(frozen=True)
class Addresses:
    """host:port of each address of a Service, once: what may be asked, what is not ready, what may not be asked."""

    asked: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    """Those of which the EndpointSlice says that they are not ready, whoever they are: no question is needed."""
    refused: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.asked) + len(self.unready) + len(self.refused)


def addresses(
    slices: Iterable[dict[str, Any]], name: str, family: str | None, may_ask: Callable[[dict[str, Any], str], bool]
) -> Addresses:
    """Those behind the port called `name`. `may_ask(endpoint, address)`: whether it may be asked for readiness."""
    slices = [each for each in slices if each.get("addressType") in KINDS]
    kinds = {each["addressType"] for each in slices}
    found: dict[str, dict[str, None]] = {"asked": {}, "unready": {}, "refused": {}}
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
                for ip in _ips(endpoint):
                    kind = "asked" if may_ask(endpoint, str(ip)) else "refused"
                    kind = "unready" if conditions.get("ready") is False else kind
                    found[kind][f"[{ip}]:{number}" if ip.version == IPV6 else f"{ip}:{number}"] = None
    asked, refused = found["asked"], found["refused"]
    return Addresses(
        tuple(asked),
        tuple(one for one in found["unready"] if one not in asked and one not in refused),
        tuple(one for one in refused if one not in asked),
    )


def is_pod_of(namespace: str, endpoint: dict[str, Any], address: str) -> bool:
    """Whether the endpoint says that it is a Pod of that namespace, at an address that a Pod can have."""
    target = mapping(endpoint.get("targetRef"))
    known = target.get("kind") == "Pod" and target.get("namespace") == namespace
    return known and not ipaddress.ip_address(address).is_loopback


def _ips(endpoint: dict[str, Any]) -> Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Each address of an endpoint, without those that are a cloud's metadata server or nobody's."""
    found = endpoint.get("addresses")
    for address in found if isinstance(found, list) else []:
        try:
            ip = ipaddress.ip_address(str(address))
        except ValueError:
            continue
        mapped = isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped is not None or ip.scope_id is not None)
        if mapped or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            continue
        yield ip
