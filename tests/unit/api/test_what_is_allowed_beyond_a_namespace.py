"""What an administrator allows beyond a resource's namespace is written strictly, and nothing is allowed by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout import __main__ as program
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


def test_an_empty_matcher_of_gateway_series_is_named_at_the_start_unless_no_gateway_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    async def told(*_: object) -> int:
        return 0

    monkeypatch.setattr(program, "_until_told", told)
    for more, named in (("", True), ("dialects: {}\n", False)):
        caplog.clear()
        (tmp_path / "config.yaml").write_text('prometheus: [{url: "http://p:9090"}]\n' + more)
        program.main(["--config", str(tmp_path / "config.yaml"), "--lease-namespace", "a"])
        assert ("has no gatewayMatchers" in caplog.text) is named
    made = parse_config({"prometheus": [{"url": "http://p:9090", "gatewayMatchers": 'namespace="traefik"'}]})
    assert made.unsafe() == []
