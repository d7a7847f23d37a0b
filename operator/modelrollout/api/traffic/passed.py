"""What a user's route carries besides the split: timeouts, retries, filters, labels, annotations, paths for stable."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong

ROUTE_DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
HEADER_VALUE = r"^[!-~]([\t -~]*[!-~])?$"
EXTRA_PATH = r"^/([A-Za-z0-9._~-]+/)*([A-Za-z0-9._~-]+|\*)?$"
GROUP = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
KIND_NAME = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
META_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LONGEST_KEY = 317
OTHERS = (
    "modelrollout.dev",
    "argocd.argoproj.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "meta.helm.sh",
    "kubectl.kubernetes.io",
)
"""Prefixes of labels and annotations by which others know what is theirs; a route that carried one would be taken."""
TRACKING = ("app.kubernetes.io/instance",)
"""By this label, too, Argo CD knows what is its own."""

RouteDuration = Annotated[str, Field(pattern=ROUTE_DURATION, max_length=32)]


class Timeouts(ApiModel):
    """How long the gateway waits, in the words of HTTPRoute."""

    request: RouteDuration | None = None
    """For the whole request, retries included; the gateway's own when unset."""
    backend_request: RouteDuration | None = None
    """For one try; no longer than `request`."""

    @model_validator(mode="after")
    def _one_try_fits(self) -> Self:
        whole, once = (milliseconds(one) for one in (self.request, self.backend_request))
        if whole and once is not None and (once > whole or not once):
            raise wrong("backendRequest", f"choose at most the timeout of the whole request ({self.request})")
        return self


class Retry(ApiModel):
    """What the gateway tries again; HTTPRoute has it in its experimental channel alone."""

    codes: Annotated[list[Annotated[int, Field(ge=400, le=599)]], Field(max_length=16)] = []
    """Statuses that are tried again."""
    attempts: Annotated[int, Field(ge=1, le=10)] | None = None
    """How often; the gateway's own number when unset."""
    backoff: RouteDuration | None = None
    """The least time between two tries."""


class HeaderValue(ApiModel):
    """One header."""

    name: Annotated[str, Field(pattern=HEADER_NAME, max_length=256)]
    """The header's name."""
    value: Annotated[str, Field(pattern=HEADER_VALUE, max_length=4096)]
    """Its value."""


class HeaderChange(ApiModel):
    """Headers that are set, added or removed."""

    set: Annotated[list[HeaderValue], Field(max_length=16)] = []
    """Headers that replace what there is."""
    add: Annotated[list[HeaderValue], Field(max_length=16)] = []
    """Headers that are added to what there is."""
    remove: Annotated[list[Annotated[str, Field(pattern=HEADER_NAME, max_length=256)]], Field(max_length=16)] = []
    """Names of headers that are taken away."""


class Extension(ApiModel):
    """An object of the gateway's own, in the namespace of the resource."""

    group: Annotated[str, Field(pattern=GROUP, max_length=253)]
    """Its API group, such as traefik.io."""
    kind: Annotated[str, Field(pattern=KIND_NAME, max_length=63)]
    """Its kind, such as Middleware."""
    name: Annotated[str, Field(pattern=OBJECT_NAME, max_length=253)]
    """Its name."""


_BODY = {
    "RequestHeaderModifier": "request_header_modifier",
    "ResponseHeaderModifier": "response_header_modifier",
    "ExtensionRef": "extension_ref",
}


class RouteFilter(ApiModel):
    """A filter of the rules, as HTTPRoute and GRPCRoute both have it."""

    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier", "ExtensionRef"]
    """Which one; redirects, rewrites and mirrors are not taken: they would move traffic past the split."""
    request_header_modifier: HeaderChange | None = None
    """Of a RequestHeaderModifier: what is changed on the way to the model."""
    response_header_modifier: HeaderChange | None = None
    """Of a ResponseHeaderModifier: what is changed on the way back."""
    extension_ref: Extension | None = None
    """Of an ExtensionRef: the gateway's own object, such as a Traefik Middleware."""

    @model_validator(mode="after")
    def _says_what_its_type_says(self) -> Self:
        mine = _BODY[self.type]
        if getattr(self, mine) is None:
            raise wrong(_camel(mine), f"add it: a filter of type {self.type} says here what it does")
        for other in set(_BODY.values()) - {mine}:
            if getattr(self, other) is not None:
                raise wrong(_camel(other), f"remove it, or write another filter: this one is of type {self.type}")
        return self


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


class Route(ApiModel):
    """What the operator's routes carry besides the split. Every rule of a route gets the same."""

    extra_paths: Annotated[list[Annotated[str, Field(pattern=EXTRA_PATH, max_length=256)]], Field(max_length=32)] = []
    """Paths beyond the model's own, which stable answers, such as /v2 and /v2/health/*; /* at the end: all below."""
    timeouts: Timeouts | None = None
    """Of HTTP alone: GRPCRoute has none."""
    retry: Retry | None = None
    """Of HTTP alone, and where the cluster's HTTPRoute has it (experimental channel)."""
    filters: Annotated[list[RouteFilter], Field(max_length=8)] = []
    """Filters of every rule, in their order."""
    labels: Annotated[dict[str, Annotated[str, Field(pattern=LABEL_VALUE, max_length=63)]], Field(max_length=32)] = {}
    """Labels of the routes."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] = {}
    """Annotations of the routes, such as a gateway's own settings."""

    @model_validator(mode="after")
    def _marks_are_nobody_elses(self) -> Self:
        for field, keys in (("labels", self.labels), ("annotations", self.annotations)):
            for key in keys:
                if not re.fullmatch(META_KEY, key) or len(key) > LONGEST_KEY:
                    raise wrong(field, f"put {key[:64]!r} right: a name, or a domain, a slash and a name")
                if key in TRACKING or ("/" in key and key.partition("/")[0] in OTHERS):
                    raise wrong(field, f"remove {key}: by this mark its owner would take the route for its own")
                if len(key.rpartition("/")[2]) > 63:  # noqa: PLR2004 - as Kubernetes counts
                    raise wrong(field, f"shorten {key}: at most 63 characters may follow the slash")
        return self

    @model_validator(mode="after")
    def _paths_once(self) -> Self:
        for index, path in enumerate(self.extra_paths):
            if path in self.extra_paths[:index]:
                raise wrong(f"extraPaths.{index}", "remove it: this path is listed twice")
        return self


def milliseconds(text: str | None) -> int | None:
    """A duration as the Gateway API writes it (GEP-2257), in ms; None where there is none."""
    if text is None:
        return None
    unit = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
    return sum(int(number) * unit[name] for number, name in re.findall(r"([0-9]+)(h|ms|m|s)", text))
