"""The one annotation that adopts a route: whose it is, which rule, which Services, and which version is stable.

A lowering needs no more than it, so one works without a valid spec and after a restart. It goes with the adoption.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from modelrollout.adapters.routers.httproute import PREFIX
from modelrollout.api.adopt import DNS_NAME
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping
from modelrollout.api.serving import SERVICE
from modelrollout.api.spec import VERSION

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec

MARK = PREFIX + "adopted"
_RESOURCE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_LAST_PORT = 65_535


@dataclass(frozen=True)
class Mark:
    """What the annotation says."""

    resource: str
    """NAMESPACE/NAME of the ModelRollout."""
    rule: str
    """Name of the rule; empty for the only one that leads to a version's Service."""
    service: str
    """A version's Service, with {version}."""
    port: int
    stable: str

    def written(self) -> str:
        """The annotation's value."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_mark(value: str | None) -> Mark | None:
    """The mark in an annotation; None where there is none, or it is not one of ours: then status says what it knows."""
    try:
        found = mapping(json.loads(value or "null"))
    except (ValueError, RecursionError):
        return None
    texts = {key: found.get(key) for key in ("resource", "rule", "service", "stable")}
    port = found.get("port")
    patterns = {"resource": _RESOURCE, "rule": f"^$|{DNS_NAME}", "service": SERVICE, "stable": VERSION}
    if any(not isinstance(text, str) or not re.fullmatch(patterns[key], text) for key, text in texts.items()):
        return None
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= _LAST_PORT:
        return None
    return Mark(**{key: str(text) for key, text in texts.items()}, port=port)


@dataclass(frozen=True)
class Adoption:
    """Which rule of which route a resource has, and what its backends are called. Without a spec, as the mark says."""

    resource: str
    route: str
    rule: str
    service: str
    port: int
    gateway: tuple[str, str, str | None] | None = None
    """Namespace, name and listener of the Gateway whose answers count; None without a spec: the route's first."""

    @classmethod
    def asked(cls, namespace: str, name: str, spec: Spec) -> Adoption | None:
        """What the spec asks for; None where it asks for a route of the operator's own."""
        adopt, gateway = spec.traffic.adopt, spec.traffic.gateway
        if adopt is None:
            return None
        parent = (gateway.namespace or namespace, gateway.name, gateway.section_name)
        serving = spec.serving
        return cls(f"{namespace}/{name}", adopt.name, adopt.rule or "", serving.service, serving.port, parent)

    @classmethod
    def marked(cls, route: str, mark: Mark) -> Adoption:
        """What a mark says."""
        return cls(mark.resource, route, mark.rule, mark.service, mark.port)

    def mark(self, stable: str) -> Mark:
        """The mark of this adoption while `stable` serves."""
        return Mark(self.resource, self.rule, self.service, self.port, stable)

    def same_rule(self, other: Adoption) -> bool:
        """Whether both are about the same rule and Services; what is adopted otherwise must be handed back first."""
        return (self.route, self.rule, self.service) == (other.route, other.rule, other.service)

    def version_of(self, service: str) -> str:
        """The version that a Service is of; "" where it is none of this model's."""
        before, _, after = self.service.partition("{version}")
        middle = service.removeprefix(before).removesuffix(after)
        fits = service == f"{before}{middle}{after}"
        return middle if fits and re.fullmatch(VERSION, middle) else ""

    @property
    def title(self) -> str:
        """As people read it."""
        return f"HTTPRoute {clean(self.route, LONGEST_SAID)}"
