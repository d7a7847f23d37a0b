"""Every query and every variable of the Grafana dashboards, asked of the lab's Prometheus while a version is tried."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.docs.dashboards.boards import BOARDS
from tests.docs.dashboards.files import texts
from tests.e2e.support.hands import ask
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.lab import free_port, query

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts

GATES = gates("errors", "accuracy", "dead-neurons", latency={"type": "Latency", "max": "500ms"})
STEPS: dict[str, Any] = {"steps": [{"weight": 50, "hold": "30m"}]}


def chosen(text: str, live: LiveRollout) -> str:
    """The query as Grafana would ask it."""
    values = {
        "__rate_interval": "20s",
        "namespace": live.scenario.namespace,
        "model": live.scenario.model,
        "layer": ".+",
        "price": "1.5",
        "error_limit": "0.01",
    }
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)


def answered(url: str, text: str) -> bool:
    """Whether it gives a number."""
    return any(one["value"][1] != "NaN" for one in query(url, text))


def values_of(url: str, text: str) -> list[str]:
    """What a variable offers."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", text)
    assert found is not None
    answer = requests.get(f"{url}/api/v1/label/{found[2]}/values", params={"match[]": found[1]}, timeout=10)
    return list(answer.json()["data"])


@pytest.mark.timeout(400)  # seconds; minutes on a machine that has other work
def test_each_query_and_each_variable_has_data_while_a_version_is_tried(rollouts: Rollouts):
    port = free_port()
    live = rollouts.start(1, 2, 3, operate={"arguments": (f"--metrics-port={port}",)})
    live.adopt(gates=GATES, **STEPS)
    theirs = [{"target_label": "namespace", "replacement": live.scenario.namespace}]
    operator = {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}], "file_sd_configs": [], "honor_labels": True}
    made = live.member.another_prometheus(
        f"boards-{live.scenario.namespace}",
        jobs=[{"job_name": "triton", "relabel_configs": theirs}, {"job_name": "operator"} | operator],
    )
    rollouts.until_the_end(made)
    url = made.url
    live.version(2)
    live.wait_weight(2, 50)
    ask(live, "abort", version=2)
    live.ended()
    live.version(3)
    live.wait_weight(3, 50)
    asked = {chosen(text, live): text for board in BOARDS.values() for text in board.queries}
    missing, end = set(asked), time.monotonic() + 90
    while missing:
        missing = {text for text in missing if not answered(url, text)}
        assert time.monotonic() < end, "no data for:\n" + "\n".join(sorted(missing)) + f"\n{live.report()}"
        time.sleep(1)
    offered = [
        values_of(url, chosen(one["query"], live))
        for text in texts().values()
        for one in json.loads(text)["templating"]["list"]
        if one["type"] == "query"
    ]
    assert all(offered), offered
    print(f"{len(asked)} queries and {len(offered)} variables have data")
