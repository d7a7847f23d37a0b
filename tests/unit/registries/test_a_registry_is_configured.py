"""A registry of the configuration is judged like everything else in it, and followed by the operator's passes."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import ValidationError

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.run import build

PROMETHEUS = [{"url": "http://p"}]
GOOD = {"name": "mlflow", "url": "https://m"}


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("url", {"url": "mlflow.example.com"}),
        ("url", {"url": "https://me:s3cret@m"}),
        ("basicAuth", {"bearerTokenFile": "/a", "basicAuth": {"username": "me", "passwordFile": "/b"}}),
        ("registeredModel", {"registeredModel": "{version}"}),
        ("tagPrefix", {"tagPrefix": "mlflow.note"}),
        ("aliases.champion", {"aliases": {"champion": "latest"}}),
        ("aliases.candidate", {"aliases": {"candidate": "v12"}}),
        ("aliases.champion", {"aliases": {"champion": "candidate"}}),
        ("timeout", {"timeout": "0s"}),
        ("token", {"token": "s3cret"}),
    ],
)
def test_a_bad_registry_is_answered_with_its_path(path: str, changes: dict[str, object]):
    with pytest.raises(ValidationError) as raised:
        parse_config({"prometheus": PROMETHEUS, "registries": [GOOD | changes]})
    (problem,) = problems_of(raised.value, OperatorConfig, "")
    assert problem.path == f"registries[0].{path}"
    assert "s3cret" not in problem.sentence


def test_two_of_one_name_are_refused():
    with pytest.raises(ValidationError) as raised:
        parse_config({"prometheus": PROMETHEUS, "registries": [GOOD, GOOD]})
    assert problems_of(raised.value, OperatorConfig, "")[0].path == "registries[1].name"


def test_the_name_of_a_model_is_put_in_once_and_never_read():
    (registry,) = parse_config(
        {"prometheus": PROMETHEUS, "registries": [GOOD | {"registeredModel": "{namespace}.{model}"}]}
    ).registries
    assert registry.called("{name}", "vision", "digits") == "vision.{name}"


def test_what_is_configured_is_followed_by_the_operators_passes():
    config = parse_config({"prometheus": PROMETHEUS, "registries": [GOOD]})
    service = build(config, Api(cast("Any", None)), Lease(cast("Any", None), "ns", "lease", "identity"))
    registrars = service.reconciler.writer.registrars
    assert registrars is not None
    assert [one.name for one in registrars._all] == ["mlflow"]
