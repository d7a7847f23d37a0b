"""What an administrator allows beyond a resource's namespace is written strictly, and nothing is allowed by default."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.api.config import parse_config

SERVER = {"prometheus": [{"url": "http://p:9090"}]}


def test_by_default_no_address_beside_pods_is_allowed():
    assert not parse_config(SERVER).probes.allows("vision", "10.0.0.1")


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("cidr", {"cidr": "10.0.0.1/8"}),
        ("cidr", {"cidr": "pods"}),
        ("cidr", {"namespaces": ["a"]}),
        ("namespaces", {"cidr": "10.0.0.0/8", "namespaces": []}),
        ("namespaces.0", {"cidr": "10.0.0.0/8", "namespaces": ["Vision"]}),
        ("namespaces.0", {"cidr": "10.0.0.0/8", "namespaces": ["[a-z]"]}),
        ("hosts", {"cidr": "10.0.0.0/8", "hosts": []}),
    ],
)
def test_a_mistake_is_named_with_its_field(field: str, allowed: dict[str, Any]):
    with pytest.raises(ValidationError) as raised:
        parse_config(SERVER | {"probes": {"allowed": [allowed]}})
    (detail,) = raised.value.errors()
    told = ".".join([str(part) for part in detail["loc"]] + [detail.get("ctx", {}).get("path", "")]).strip(".")
    assert told == f"probes.allowed.0.{field}"
