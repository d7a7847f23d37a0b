"""Which requests each resource claims: what is not allowed or is somebody else's is refused where it is not there yet.

What stands on the resource's own route stays: the operator takes nobody's traffic because its configuration, or a
neighbour, has changed. It says so instead, for as long as it stands.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.api.base import KIND
from modelrollout.api.borders.cleaning import clean
from modelrollout.api.config.claims import GATEWAY, GRPC_HOSTNAMES, Claim, check_claim, claim_of
from modelrollout.api.problems import Problem, path_of, shown, summary
from modelrollout.api.status import LONGEST_WARNING

if TYPE_CHECKING:
    from modelrollout.api.config import OperatorConfig
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import ObservedRoute

Key = tuple[str, str]
Age = tuple[str, Key]
"""When a resource was made, as the API server writes it; of two in one second the name decides."""


@dataclass
class Claims:
    """What the resources of this process claim; a resource is known from its first pass on."""

    _claims: dict[Key, tuple[Age, Claim]] = field(default_factory=dict)
    _alike: defaultdict[tuple[str, str], set[Key]] = field(default_factory=lambda: defaultdict(set))
    """By Gateway and model, and by Gateway alone (model "") where gRPC is split: only those can meet."""

    def forget(self, key: Key) -> None:
        """It is gone, or claims nothing that can be read."""
        known = self._claims.pop(key, None)
        if known is None:
            return
        for place in _places(known[1]):
            self._alike[place].discard(key)
            if not self._alike[place]:
                del self._alike[place]

    def note(self, obj: dict[str, Any], spec: Spec) -> list[Problem]:
        """Remember what the resource claims; the older one that claims the same, as a problem."""
        meta = obj["metadata"]
        key = (str(meta.get("namespace")), str(meta.get("name")))
        age, claim = (str(meta.get("creationTimestamp") or ""), key), claim_of(key[0], spec)
        self.forget(key)
        if spec.traffic.adopt is not None:
            return []
        self._claims[key] = age, claim
        for place in _places(claim):
            self._alike[place].add(key)
        others = set[Key]().union(*(self._alike[place] for place in _places(claim))) - {key}
        for _, other in sorted(self._claims[other][0] for other in others if self._claims[other][0] < age):
            its = self._claims[other][1]
            if host := claim.meets(its):
                return [_collision(spec, claim, its, host, f"{KIND} {other[0]}/{other[1]}, which is older")]
        return []


def _places(claim: Claim) -> list[tuple[str, str]]:
    """Where to look for what may meet it: the same model, and whoever else has gRPC, at the same Gateway."""
    return [(claim.gateway, claim.model), *([(claim.gateway, "")] if claim.calls else [])]


def _collision(spec: Spec, claim: Claim, its: Claim, host: str, whose: str) -> Problem:
    loc: tuple[str | int, ...] = (*GATEWAY, "hostnames")
    fix = f"choose another name or model: {whose}, serves model {claim.model} there"
    if claim.model != its.model:
        loc = GRPC_HOSTNAMES if spec.traffic.grpc.hostnames else loc
        fix = (
            f"choose another name for gRPC: {whose}, has the calls there, which name no model where gateways look"
        )
    return Problem(path_of(loc), f"has {shown(host)} on Gateway {claim.gateway}", fix, loc)


def judge_claim(
    claims: Claims, config: OperatorConfig, obj: dict[str, Any], spec: Spec, route: ObservedRoute | None
) -> tuple[str, tuple[str, ...]]:
    """(why the spec is refused or "", what is only said, since its route has it already)."""
    claim = claim_of(str(obj["metadata"].get("namespace")), spec)
    problems = [*check_claim(str(obj["metadata"].get("namespace")), spec, config), *claims.note(obj, spec)]
    if not problems:
        return "", ()
    if route is None or route.foreign or claim.gateway not in route.gateways or claim.hostnames - route.hostnames:
        return summary(problems), ()
    texts = (f"its route has it, so it stays: {problem.sentence}" for problem in problems)
    return "", tuple(clean(text, LONGEST_WARNING) for text in texts)
