"""A webhook that hangs holds the weight, as does its CONTINUE until somebody has agreed; its FAIL rolls back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook as Verifier

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK
from tests.integration.notifications.receiver import Got, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.rollouts import Rollouts

KEY = base64.b64encode(b"k" * 32).decode()
STEPS = [{"weight": 10, "hold": "2s"}, {"weight": 30, "hold": "2s"}]


def test_each_step_waits_for_its_word_and_a_fail_takes_the_traffic(rollouts: Rollouts, tmp_path: Path):
    first = {"verdict": "CONTINUE", "message": "nobody has agreed yet"}

    def says(got: Got) -> bytes:
        weight = got.json["data"]["weights"]["candidate"]
        last = {"verdict": "FAIL", "message": "the load test broke"}
        return json.dumps(first if weight == 10 else last).encode()

    with Receiver(hang=60, says=says) as far:
        (tmp_path / "url").write_text(f"http://127.0.0.1:{far.port}/judge")
        (tmp_path / "key").write_text(KEY)
        hook = {"name": "load", "namespaces": [rollouts.namespace], "timeout": "3s", "tries": 1}
        hook |= {"urlFile": str(tmp_path / "url"), "keyFile": str(tmp_path / "key")}
        live = rollouts.start(1, 2, rate=BRISK, operate={"webhooks": [hook]})
        client = live.adopt(gates=[*gates("errors"), {"name": "load", "type": "Webhook"}], steps=STEPS)
        live.version(2)
        live.wait_weight(2, 10)
        silent = "load: WebhookSilent: webhook load gives no verdict: it took longer than 3 s"
        live.wait("it hangs", lambda s: silent in s.get("message", ""), 30)
        assert live.weights(2)[-1] == 10
        far.hang = 0
        live.wait("nobody agrees", lambda s: "UTC: nobody has agreed yet" in s.get("message", ""), 30)
        assert (live.status()["reason"], live.weights(2)[-1]) == ("NotProven", 10)
        first |= {"verdict": "PASS", "message": "agreed"}
        assert live.ended()["history"][-1]["result"] == "RolledBack", live.report()
        assert (live.weights(2), live.weight(2)) == ([0, 10, 30, 0], 0), live.report()
        assert live.status()["message"].endswith("UTC: the load test broke"), live.report()
        asked = [Verifier(KEY).verify(got.body, got.headers)["data"] for got in far.got]
        assert {(one["candidate"], one["step"]["number"]) for one in asked} == {("2", 1), ("2", 2)}
        assert len({one["subject"] for one in asked}) == 2
        assert asked[-1]["gates"][0]["name"] == "errors"
        client.stop()
        assert client.failed == []
