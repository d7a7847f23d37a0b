"""A digest of everything of a route but the split's weights; the API server's defaults do not change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelrollout.adapters.routers.forms.httproute import split_index
from modelrollout.adapters.routers.forms.marks import OURS, digest, passed_of


def structure(
    namespace: str,
    annotations: Mapping[str, Any],
    spec: Mapping[str, Any],
    labels: Mapping[str, Any] | None = None,
    *,
    http: bool = True,
) -> str:
    """`annotations` and `labels` are all of the route's; only ours and the user's count. `http`: it is an HTTPRoute."""
    body = {key: _copied(spec.get(key) or []) for key in ("parentRefs", "hostnames", "rules")}
    for parent in body["parentRefs"]:
        _default(parent, group="gateway.networking.k8s.io", kind="Gateway", namespace=namespace)
    split = split_index(body["rules"])
    for index, rule in enumerate(body["rules"]):
        rule.pop("name", None)  # pruned by older CRDs
        rule.pop("retry", None)  # by all but the experimental ones: its digest is among the annotations
        if http:
            _default(rule, matches=[{}])
        for match in rule.get("matches") or []:
            _default_match(match, http=http)
        for ref in rule.get("backendRefs") or []:
            _default(ref, group="", kind="Service", weight=1)
            if index == split:
                ref.pop("weight")
    passed = passed_of(annotations)
    body["annotations"] = {key: annotations.get(key) for key in (*OURS, *sorted(passed.annotations))}
    body["labels"] = {key: (labels or {}).get(key) for key in sorted(passed.labels)}
    return digest(body)


def _copied(value: Any) -> Any:
    """As copy.deepcopy of what JSON can be, in a fifth of the time: every pass takes three digests."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _default_match(match: dict[str, Any], *, http: bool) -> None:
    if http:
        _default(match, path={})
        _default(match["path"], type="PathPrefix", value="/")
    elif "method" in match:
        _default(match["method"], type="Exact")
    for header in match.get("headers") or []:
        _default(header, type="Exact")


def _default(target: dict[str, Any], **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)
