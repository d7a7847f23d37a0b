"""What Envoy counts of requests that take too long: its own timeout is the version's error, a client's is nothing."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
import requests

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.dialects.envoy import ENVOY_GATEWAY
from tests.integration.gateways.static_envoy import CLUSTERS, StaticEnvoy
from tests.unit.analysis.recorded import request_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
HOST, CLUSTER = "slow", CLUSTERS["EnvoyGateway"]["candidate"]
PATIENCE = 0.5
"""Seconds after which the route answers 504."""


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[StaticEnvoy]:
    (tmp_path / "targets").mkdir()
    with StaticEnvoy(tmp_path, tmp_path / "targets", {HOST: CLUSTER}, timeout=PATIENCE) as made:
        yield made


def counted(envoy: StaticEnvoy) -> dict[str, int]:
    """Answers of the candidate by what the dialect makes of their status."""
    reader, found = SeriesReader(request_of(spec_of(), dialect=ENVOY_GATEWAY)), dict[str, int]()
    for line in envoy.metrics().splitlines():
        name, _, rest = line.partition("{")
        labels = {"__name__": name, **dict(re.findall(r'(\w+)="([^"]*)"', rest))}
        channel = reader.channel(labels)
        if channel is not None and (channel.metric, channel.arm) == (s.GATEWAY_REQUESTS, "candidate"):
            found[labels["envoy_response_code"]] = int(line.rpartition(" ")[2])
    return found


def test_a_request_that_the_route_gives_up_is_the_versions_error(envoy: StaticEnvoy):
    envoy.ask(HOST, 200, 3)
    envoy.ask(HOST, 504, 2, milliseconds=round(3000 * PATIENCE))
    assert counted(envoy) == {"200": 3, "504": 2}
    assert ENVOY_GATEWAY.is_error("504")


def test_a_request_that_its_client_gives_up_is_counted_nowhere(envoy: StaticEnvoy):
    envoy.ask(HOST, 200, 3)
    with pytest.raises(requests.Timeout):
        requests.get(f"{envoy.url}/200/{round(800 * PATIENCE)}", headers={"Host": HOST}, timeout=PATIENCE / 4)
    time.sleep(2 * PATIENCE)
    assert counted(envoy) == {"200": 3}
