"""Where a version is served: its Service's port and the addresses behind it, as Service and EndpointSlices say."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import clean, mapping, mappings, whole_number
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def targets(slices: Iterable[dict[str, Any]], name: str, family: str | None) -> tuple[list[str], list[str]]:
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
