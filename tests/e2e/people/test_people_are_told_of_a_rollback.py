"""A bad version is rolled back while sinks hang: no second later, and people and programs hear of it with evidence."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from standardwebhooks.webhooks import Webhook as Verifier

from tests import ROOT
from tests.e2e.support.hands import PROMISE, ask, took
from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK
from tests.integration.notifications.receiver import Receiver
from tests.lab import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.live_rollout import LiveRollout
    from tests.e2e.support.rollouts import Rollouts

KEY = base64.b64encode(b"k" * 32).decode()
RULES = ROOT / "charts/modelrollout/files/alerts.yaml"
STEPS = [{"weight": 30, "hold": "5m"}]


def sinks(folder: Path, slow: Receiver, training: Receiver) -> dict[str, Any]:
    """Two that hang, and one that listens: the configuration names files alone."""
    urls = {
        "hook": f"http://127.0.0.1:{slow.port}/hang",
        "chat": f"json://127.0.0.1:{slow.port}/hang?rto=30",
        "training": f"http://127.0.0.1:{training.port}/train",
    }
    for name, text in (*urls.items(), ("key", KEY)):
        (folder / name).write_text(text)
    file = {name: str(folder / name) for name in (*urls, "key")}
    every = ["Started", "Advanced", "Promoted", "RolledBack", "Drift", "NeedsPerson", "Warning", "Info"]
    hook = {"urlFile": file["hook"], "keyFile": file["key"]}
    return {
        "sinks": [
            {"name": "hook", "webhook": hook, "kinds": every, "timeout": "60s"},
            {"name": "chat", "apprise": {"urlFile": file["chat"]}, "kinds": every, "timeout": "60s"},
            {"name": "training", "webhook": hook | {"urlFile": file["training"]}, "kinds": ["RolledBack", "Drift"]},
        ]
    }


def called_by(pager: Receiver) -> dict[str, Any]:
    """Alertmanager's configuration as the page has it, in a hurry, with receivers, which the page leaves to people."""
    page = (ROOT / "docs/on-call/alerts.md").read_text()
    block = next(one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if one.startswith("route:"))
    config = yaml.safe_load(block)
    config["route"] |= {"group_wait": "1s", "group_interval": "2s", "receiver": "tickets"}
    hook = f"http://127.0.0.1:{pager.port}"
    config["receivers"] = [
        {"name": name, "webhook_configs": [{"url": f"{hook}/{name}"}]} for name in ("pager", "tickets")
    ]
    return config


def alerting(rollouts: Rollouts, live: LiveRollout, port: int, pager: Receiver) -> None:
    """A Prometheus with the alerts as they are shipped, which scrapes this operator, and an Alertmanager behind it."""
    name = live.scenario.namespace
    alertmanager = live.member.alertmanager(name, called_by(pager))
    operator = [{"targets": [f"127.0.0.1:{port}"]}]
    job = {"job_name": "operator", "file_sd_configs": [], "static_configs": operator}
    called = {"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}
    more = {"rule_files": [str(RULES)], "alerting": {"alertmanagers": [called]}}
    rollouts.until_the_end(live.member.another_prometheus(name, jobs=[job], more=more), alertmanager)


@pytest.mark.alertmanager
def test_a_rollback_waits_for_no_sink_calls_the_pager_and_tells_the_training(rollouts: Rollouts, tmp_path: Path):
    port = free_port()
    with Receiver(hang=30) as slow, Receiver() as training, Receiver() as pager:
        arguments = (f"--metrics-port={port}", "--metrics-host=127.0.0.1")
        told = sinks(tmp_path, slow, training)
        live = rollouts.start(1, 2, 5, rate=BRISK, operate={"arguments": arguments, "notifications": told})
        alerting(rollouts, live, port, pager)
        live.adopt(gates=gates("errors", "non-finite"), steps=STEPS)
        live.version(2)
        live.wait_weight(2, 30)
        slow.wait(lambda got: got.headers["user-agent"] == "modelrollout")
        slow.wait(lambda got: got.headers["user-agent"] == "Apprise")
        began = time.time()
        ask(live, "abort", 2)
        took(live, "abort while two sinks hang", 2, 0, began)
        live.wait("the end", lambda s: s.get("candidate") is None)

        live.version(5)
        assert live.ended()["history"][-1]["result"] == "RolledBack", live.report()
        lowered = live.record.first(live.scenario.service_name(5), 0, since=began + PROMISE)
        got = training.wait(lambda got: got.json["data"]["candidate"] == "5")
        assert lowered is not None
        print(f"the training was told {got.at - lowered:.3f} s after the traffic was gone")
        data = Verifier(KEY).verify(got.body, got.headers)["data"]
        assert data["kind"] == "RolledBack"
        assert [gate["name"] for gate in data["gates"] if gate["verdict"] == "FAIL"] == ["non-finite"]
        assert data["rollout"]["message"] in data["message"]

        page = pager.wait(lambda got: got.path == "/pager", deadline=60).json
        labels = page["alerts"][0]["labels"]
        assert (labels["alertname"], labels["model"], labels["severity"]) == ("ModelRolloutFailed", "digits", "page")
        assert page["alerts"][0]["annotations"]["runbook_url"].endswith("#modelrolloutfailed")
    assert not re.search(r"Task exception|Traceback", live.operator.log())
