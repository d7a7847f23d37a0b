"""What the API server says about one rollout; whatever this person may not read is a fact of its own."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.gateway_facts import GATEWAYS, features_in
from modelrollout.adapters.routers.adopted.mark import Adoption
from modelrollout.adapters.routers.adopted.reading import read_adopted
from modelrollout.adapters.routers.httproute import GROUP_VERSION
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, read
from modelrollout.adapters.triton.addresses import NotServedError, addresses, is_pod_of, service_of, slices_of
from modelrollout.api.base import GROUP, PLURAL
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping, mappings
from modelrollout.api.problems import parse_spec, summary
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.cli import access
from modelrollout.cli.doctor.facts import ClusterFacts, Read, ServiceFacts
from modelrollout.cli.doctor.reading.routes import other_routes
from modelrollout.cli.lookup.found import Installation, Unknown
from modelrollout.cli.lookup.operator import find_operator
from modelrollout.cli.render import status_of
from modelrollout.ports import Conflict, Unreachable


async def read_cluster(api: Api, args: argparse.Namespace, namespace: str) -> ClusterFacts:
    """Everything about the rollout that the arguments name. Failure where there is none."""
    obj = await access.get_resource(api, namespace, args.name)
    spec, problems = parse_spec(obj.get("spec"))
    status = status_of(obj)
    adoption = None if spec is None else Adoption.asked(namespace, args.name, spec)
    route = args.name if adoption is None else adoption.route
    operator, definition, raw, gateway, (others, unlisted), services = await asyncio.gather(
        find_operator(api, args.operator_namespace),
        _get(api, path_of("apiextensions.k8s.io/v1", "customresourcedefinitions", None, f"{PLURAL}.{GROUP}")),
        _get(api, path_of(GROUP_VERSION, "httproutes", namespace, route)),
        _gateway(api, namespace, spec),
        other_routes(api, namespace, route),
        asyncio.gather(*(_service(api, namespace, *one) for one in _served(spec, status))),
    )
    controller, features = await _class(api, gateway)
    return ClusterFacts(
        resource=obj,
        now=api.clock.now(),
        ahead=time.time() - api.clock.now(),
        problem="" if spec is not None else summary(problems),
        operator=operator,
        lease=await _lease(api, operator),
        definition=definition,
        route=_observed(raw, adoption),
        raw_route=raw,
        gateway=gateway,
        controller=controller,
        features=features,
        others=others,
        others_unknown=unlisted,
        services=tuple(services),
    )


async def _get(api: Api, path: str) -> Read:
    try:
        return Read(await api.get(path))
    except (Conflict, Unreachable) as error:
        return Read(unknown=str(error))


async def _lease(api: Api, operator: Installation | Unknown) -> Read:
    if isinstance(operator, Unknown):
        return Read(unknown=operator.why)
    return await _get(api, path_of("coordination.k8s.io/v1", "leases", operator.namespace, operator.name))


def _observed(raw: Read, adoption: Adoption | None) -> ObservedHTTPRoute | None:
    if raw.found is None:
        return None
    return read(raw.found) if adoption is None else read_adopted(raw.found, adoption)


async def _gateway(api: Api, namespace: str, spec: Spec | None) -> Read:
    if spec is None:
        return Read(unknown="the spec is invalid")
    wanted = spec.traffic.gateway
    return await _get(api, path_of(GATEWAYS, "gateways", wanted.namespace or namespace, wanted.name))


async def _class(api: Api, gateway: Read) -> tuple[str, frozenset[str] | None]:
    """The Gateway's class: its controllerName and supportedFeatures; "" and None where that may not be read."""
    chosen = mapping(mapping(gateway.found).get("spec")).get("gatewayClassName")
    if not isinstance(chosen, str) or not chosen:
        return "", None
    found = await _get(api, path_of(GATEWAYS, "gatewayclasses", None, chosen))
    controller = clean(mapping(mapping(found.found).get("spec")).get("controllerName"), LONGEST_SAID)
    return controller, None if found.found is None else features_in(found.found)


def _served(spec: Spec | None, status: Status | None) -> list[tuple[str, str, str, int]]:
    """(arm, version, Service, port) of each version that should be there."""
    if spec is None:
        return []
    stable = (status.stable if status else None) or spec.model.version
    candidate = status.candidate if status else None
    arms = [("stable", stable)] + ([("candidate", candidate)] if candidate and candidate != stable else [])
    return [(arm, version, spec.serving.service_of(version), spec.serving.port) for arm, version in arms]


async def _service(api: Api, namespace: str, arm: str, version: str, service: str, port: int) -> ServiceFacts:
    found: dict[str, Any] = {"arm": arm, "version": version, "service": service, "port": port}
    try:
        name, family = await service_of(api, namespace, service, port)
        slices = mappings(await slices_of(api, namespace, service))
        behind = addresses(slices, name, family, partial(is_pod_of, namespace))
    except NotServedError as error:
        return ServiceFacts(**found, wrong=str(error))
    except (Conflict, Unreachable) as error:
        return ServiceFacts(**found, unknown=str(error))
    ready = len(behind.asked) + len(behind.refused)
    return ServiceFacts(**found, ready=ready, unready=behind.unready, no_pods=behind.refused)
