"""What the pages of gateways tell people to paste is taken, and every dialect has its page."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from modelrollout.api.config import parse_config
from modelrollout.core.analysis.gates.checks.latency.coarse_buckets import block_for
from modelrollout.dialects.registry import DIALECTS
from tests import ROOT

FOLDER = ROOT / "docs/gateways"
SERVER = {"prometheus": [{"url": "http://prometheus.test", "gatewayMatchers": 'job="gateway"'}]}
FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str) -> list[str]:
    return [textwrap.dedent(text) for _, of, text in FENCED.findall(page.read_text()) if of == kind]


def configurations() -> list[Any]:
    """Parts of the operator's configuration, under `config` as in the chart's values or by themselves."""
    found = []
    for page in sorted(FOLDER.glob("*.md")):
        for number, text in enumerate(blocks(page, "yaml")):
            for body in yaml.safe_load_all(text):
                part = body.get("config", body if "kind" not in body else {}) if isinstance(body, dict) else {}
                if set(part) & {"gateways", "dialects", "customDialects", "mirrors"}:
                    found.append(pytest.param(part, id=f"{page.stem}-{number}"))
    return found


def test_each_kind_of_setting_has_an_example():
    settings = {name for one in configurations() for name in one.values[0]}
    assert {"gateways", "dialects", "customDialects", "mirrors"} <= settings


@pytest.mark.parametrize("part", configurations())
def test_a_part_of_the_configuration_is_taken_and_raises_no_doubt(part: dict[str, Any]):
    assert parse_config(SERVER | part).unsafe() == []


def test_the_block_for_triton_is_one_that_triton_reads():
    (text,) = blocks(FOLDER / "any-gateway.md", "proto")
    for block in (text, block_for(0.05), block_for(0.05, beyond=True)):
        (control,) = text_format.Parse(block, ModelConfig()).model_metrics.metric_control
        assert control.metric_identifier.family == "nv_inference_first_response_histogram_ms"
        assert len(control.histogram_options.buckets) > 1


def test_every_dialect_has_its_row_and_its_page():
    text = (FOLDER / "README.md").read_text()
    for dialect in DIALECTS:
        (row,) = re.findall(rf"^\| `{dialect.name}` \|([^|]*)\|", text, re.MULTILINE)
        assert re.findall(r"`([^`]+)`", row) == list(dialect.controllers)
        pages = [
            page for page in FOLDER.glob("*.md") if f"controllerName: {dialect.controllers[0]}" in page.read_text()
        ]
        assert pages, f"no page with a manifest for {dialect.name}"


def test_no_fence_swallows_its_first_line():
    for page in sorted(FOLDER.glob("*.md")):
        assert not re.findall(r"^ *```[^\n]* [^\n]*$", page.read_text(), re.MULTILINE), page.name
