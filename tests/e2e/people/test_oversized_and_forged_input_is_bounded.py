"""What should never be written, but may be: a forged status, 250 KiB of notes, twelve thousand series."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from tests.e2e.support.hands import PATIENT, answer, ask, reasons, took
from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.rollouts import Rollouts
from tests.lab import Fault

SERIES = 12_000
HELD = [{"weight": 30, "hold": "5m"}]


def test_forged_status_huge_notes_and_too_many_series_move_no_traffic_and_stop_no_abort(rollouts: Rollouts):
    proxy = rollouts.member.http_faults(rollouts.member.site.prometheus)
    live = rollouts.start(1, 2, operate={"prometheus": proxy.url, "arguments": PATIENT, "fresh": True}, rate=15)
    client = live.adopt(steps=HELD)
    live.version(2)
    live.wait_weight(2, 30)
    notes = {f"example.com/note-{n}": "x" * 25_000 for n in range(10)}
    live.change({"metadata": {"annotations": notes}})
    proxy.add(Fault(status=200, headers={"Content-Type": "application/json"}, body=_many()), path="/api/v1/query")
    live.wait("the reason", lambda s: f"{SERIES} series, more than 10000" in s.get("message", ""), 40)
    assert live.status()["reason"] == "MetricsUnavailable"
    time.sleep(5)
    assert live.weight(2) == 30
    rss, _ = live.operator.usage()
    print(f"{SERIES} series and 250 KiB of notes: RSS {rss / 2**20:.0f} MiB")
    assert rss < 512 * 2**20
    asked = ask(live, "abort", 2)
    took(live, "abort under 250 KiB of notes and too many series", 2, 0, asked.at)
    assert answer(live, asked) == "applied"
    for number, phase in enumerate(("Baking", "Stepping"), start=1):  # other types are refused by the definition
        resource = live.kube.resource("modelrollout.dev/v1alpha1", "ModelRollout")
        before = live.status()
        resource.status.patch(
            body={"status": before | {"phase": phase, "candidate": None, "rollout": None}},
            name=live.name,
            namespace=live.scenario.namespace,
            content_type="application/merge-patch+json",
        )
        live.wait("that it was seen", partial(_lost, live, number), 20)
        live.wait("a status of the operator's own", lambda s: s.get("phase") not in ("Baking", "Stepping"), 20)
        assert "the route says so" in [h["message"] for h in live.status()["history"] if h["result"] == "Adopted"][-1]
        time.sleep(3)
        assert live.weight(1) == 100
    assert live.weights(2) == [0, 30, 0]
    client.stop()
    assert client.failed == []


def _many() -> bytes:
    """An answer of more series than any real query of ours can have."""
    found = [{"metric": {"n": str(n)}, "values": [[1_700_000_000, "1"]]} for n in range(SERIES)]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": found}}).encode()


def _lost(live: LiveRollout, times: int, _status: dict[str, Any]) -> bool:
    return reasons(live).count("StatusLost") >= times
