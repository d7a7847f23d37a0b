"""Every configuration on the page of stores is one that the operator takes, and every reason there is one it gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from modelrollout.api.config import parse_config
from modelrollout.core.reasons import MetricsReason

PAGE = (Path(__file__).parents[3] / "docs" / "stores.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_configuration(text: str):
    (server,) = parse_config(yaml.safe_load(text)["config"]).prometheus
    assert server.bearer_token_file or server.basic_auth or server.oauth2 or server.client_certificate


def test_there_is_an_example_of_every_setting():
    for field in ("bearerTokenFile", "basicAuth", "oauth2", "clientCertificate", "headers", "exactNames"):
        assert f"{field}:" in "".join(EXAMPLES)


def test_the_reasons_are_those_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) > 1
    assert set(rows) <= set(get_args(MetricsReason))
