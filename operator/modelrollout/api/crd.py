"""The CustomResourceDefinition, generated from the models: ``python -m modelrollout.api.crd`` prints it."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from modelrollout.api.base import API_VERSION, GROUP, KIND, PLURAL
from modelrollout.api.serving import SERIES_OWN
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.api.structural import Schema, structural

_COLUMNS = (
    ("Model", "string", ".spec.model.name", 0),
    ("Stable", "string", ".status.stable", 0),
    ("Candidate", "string", ".status.candidate", 0),
    ("Weight", "integer", ".status.weight.observed", 0),
    ("Step", "integer", ".status.step.number", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Reason", "string", ".status.reason", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Gate", "string", ".status.deciding", 1),
    ("Message", "string", ".status.message", 1),
)

_RISING = (
    "self.filter(s, has(s.weight)).map(s, s.weight).isSorted() && "
    "self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))"
)
_STEP_RULES = (
    (
        _RISING,
        "weights must rise strictly from step to step; 100 follows automatically",
    ),
    (
        "self.all(s, !has(s.mirror)) || (has(self[0].mirror) && self.exists_one(s, has(s.mirror)))",
        "move mirror to the first step: copies come before any weight",
    ),
    (
        "self.exists(s, has(s.weight))",
        "add a step with a weight: copies prove nothing about users' requests",
    ),
)
_ONE_STEP_RULES = (
    ("has(self.weight) != has(self.mirror)", "write one of weight and mirror: copies come in a step of their own"),
)
_SPEC_RULES = (
    (
        "!has(self.traffic.adopt) || !has(self.steps[0].mirror)",
        "remove the step with mirror: of a route that Git owns (traffic.adopt) only weights are written",
    ),
    (
        "!has(self.traffic.protocols) || 'HTTP' in self.traffic.protocols || !has(self.steps[0].mirror)",
        "remove the step with mirror, or add HTTP to traffic.protocols: only HTTP is copied",
    ),
)
_GATE_RULES = (
    ("self.type != 'Query' || has(self.query)", "a Query gate needs a query"),
    (
        "self.type != 'Query' || has(self.min) || has(self.max) || has(self.within)",
        "a Query gate needs a limit: min, max or within",
    ),
    ("self.type == 'Query' || !has(self.query)", "only a Query gate takes a query"),
    ("self.type == 'Webhook' || !has(self.webhook)", "only a Webhook gate takes a webhook"),
    ("self.type == 'Latency' || !has(self.quantile)", "only a Latency gate takes a quantile"),
)
_ARM_RULES = (
    (
        "!has(self.label) || self.label in ['version', 'service', 'pod'] || has(self.value)",
        "a label other than version, service and pod needs a value, such as v{version}",
    ),
    (
        f"!has(self.label) || !(self.label in {list(SERIES_OWN)})",
        "this label has its own meaning in the series: choose one that the scrape adds, such as pod or service",
    ),
    (
        "!has(self.value) || self.value.contains('{version}') || self.value.contains('{service}')",
        "the value needs {version} or {service}: both versions have the same value without",
    ),
    (
        "!has(self.value) || !(self.value.startsWith('*') && self.value.endsWith('*'))",
        "one * at an end of the value is enough",
    ),
)
_STAR_BESIDE_VERSION = "replace('{service}', self.service).matches('[{]version[}][*]|[*][{]version[}]')"
_SERVING_RULES = (
    (
        f"!has(self.arm) || !has(self.arm.value) || !self.arm.value.{_STAR_BESIDE_VERSION}",
        "put a character between the version and * in arm.value: version 1 would also match version 10",
    ),
)
_TRAFFIC_RULES = (
    (
        "has(self.adopt) || has(self.gateway.hostnames)",
        "add gateway.hostnames, the host names that clients call",
    ),
    (
        "!has(self.adopt) || !has(self.gateway.hostnames)",
        "remove gateway.hostnames: the route is Git's (adopt), and so are its host names",
    ),
    (
        "!has(self.adopt) || !has(self.testerHeader)",
        "remove testerHeader: of a route that Git owns (adopt) only weights are written",
    ),
    (
        "!has(self.adopt) || !(has(self.protocols) || has(self.route))",
        "remove protocols and route: of a route that Git owns (adopt) only weights are written",
    ),
)
_BOTH = "has(self.protocols) && self.protocols.size() == 2"
_APART = (
    "has(self.grpc.sectionName) && has(self.gateway.sectionName) && self.grpc.sectionName != self.gateway.sectionName"
)
_OTHER_HOSTS = "!has(self.gateway.hostnames) || self.grpc.hostnames.all(h, !(h in self.gateway.hostnames))"
_OF_HTTP = "has(self.route.timeouts) || has(self.route.retry) || has(self.route.extraPaths)"
_PROTOCOL_RULES = (
    (
        "!has(self.protocols) || self.protocols.all(p, self.protocols.exists_one(q, q == p))",
        "name each protocol once",
    ),
    (
        "!has(self.grpc) || (has(self.protocols) && 'GRPC' in self.protocols)",
        "grpc says nothing without GRPC in protocols",
    ),
    (
        f"!({_BOTH}) || (has(self.grpc) && (has(self.grpc.hostnames) || ({_APART})))",
        "HTTP and GRPC need host names of their own: add grpc.hostnames, or a listener in grpc.sectionName",
    ),
    (
        f"!({_BOTH}) || !has(self.grpc) || !has(self.grpc.hostnames) || ({_APART}) || {_OTHER_HOSTS}",
        "a host name of one listener is HTTP's or gRPC's, not both: choose another in grpc.hostnames",
    ),
    (
        f"!has(self.route) || !has(self.protocols) || 'HTTP' in self.protocols || !({_OF_HTTP})",
        "route.timeouts, route.retry and route.extraPaths are for HTTP: add it to protocols",
    ),
)
_FILTER_RULES = tuple(
    (
        f"(self.type == '{kind}') == has(self.{field})",
        f"a {kind} says in {field} what it does, and no other filter does",
    )
    for kind, field in (
        ("RequestHeaderModifier", "requestHeaderModifier"),
        ("ResponseHeaderModifier", "responseHeaderModifier"),
        ("ExtensionRef", "extensionRef"),
    )
)
_GATE_FIELDS = {
    "type": "What the gate watches.",
    "method": "How it is judged: Sequential by default, and always Threshold for Query and Webhook.",
    "max": "The highest value allowed: a duration for Latency, a number for Query, else a share.",
    "min": "The lowest value allowed: a share for Accuracy, a number for Query.",
    "within": "The lowest and the highest value allowed: numbers for Query, else shares.",
    "versusStable": "The limit as a margin over stable: buckets for Latency, else ratio and plus.",
}


def _rules(rules: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"rule": rule, "message": message} for rule, message in rules]


def _spec() -> Schema:
    spec = structural(Spec.model_json_schema(by_alias=True))
    fields = spec["properties"]
    fields["steps"] |= {"x-kubernetes-list-type": "atomic", "x-kubernetes-validations": _rules(_STEP_RULES)}
    fields["steps"]["items"] |= {"x-kubernetes-validations": _rules(_ONE_STEP_RULES)}
    spec |= {"x-kubernetes-validations": _rules(_SPEC_RULES)}
    fields["serving"] |= {"x-kubernetes-validations": _rules(_SERVING_RULES)}
    fields["serving"]["properties"]["arm"] |= {"x-kubernetes-validations": _rules(_ARM_RULES)}
    traffic = fields["traffic"]
    traffic |= {"x-kubernetes-validations": _rules((*_TRAFFIC_RULES, *_PROTOCOL_RULES))}
    route = traffic["properties"]["route"]["properties"]
    route["filters"]["items"] |= {"x-kubernetes-validations": _rules(_FILTER_RULES)}
    route["extraPaths"] |= {"x-kubernetes-list-type": "set"}
    fields["gates"] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    fields["gates"]["items"] |= {
        "description": "One limit that the candidate keeps to.",
        "x-kubernetes-validations": _rules(_GATE_RULES),
    }
    for name, text in _GATE_FIELDS.items():
        limit = fields["gates"]["items"]["properties"][name]
        fields["gates"]["items"]["properties"][name] = {"description": text, **limit}
    return spec


def _status() -> Schema:
    status = structural(Status.model_json_schema(by_alias=True, mode="serialization"), strict=False)
    conditions = status["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    conditions["items"]["required"] = ["type"]
    # Tools that read kstatus would take a resource without any status for a finished one.
    status["default"] = {"observedGeneration": -1}
    return status


def crd() -> dict[str, Any]:
    """The whole object, as the API server takes it."""
    schema = {
        "type": "object",
        "description": "Canary rollouts of a model: traffic follows spec.model.version as evidence lets it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _spec(),
            "status": _status(),
        },
    }
    columns = [
        {"name": name, "type": kind, "jsonPath": path, "priority": priority} for name, kind, path, priority in _COLUMNS
    ]
    version = {
        "name": API_VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Helm must never delete the definition: every ModelRollout would go with it.
        "metadata": {"name": f"{PLURAL}.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": GROUP,
            "names": {**names, "shortNames": ["mro"], "categories": ["all"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def render() -> str:
    """The YAML of crds/modelrollout.yaml."""
    header = "# Generated from operator/modelrollout/api by `make crds`; edit the models, not this file.\n"
    return header + yaml.safe_dump(crd(), sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(render())
