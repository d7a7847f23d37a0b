"""A golden set is answered before any user meets a version: who fails it never answers one, whatever is wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.prober import PREFLIGHT, ProberProcess, golden_set
from tests.e2e.support.rollouts import BRISK
from tests.lab.models import split

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts
    from tests.lab import Member

ROWS = 500


def rows() -> dict[str, Any]:
    """The hold-out, and as many rows of the others as make 500."""
    x, held_x, y, held_y = split()
    return {"X": np.concatenate([held_x, x])[:ROWS], "labels": np.concatenate([held_y, y])[:ROWS]}


def test_dead_units_and_nan_are_found_at_weight_0_and_a_good_version_goes_on(
    rollouts: Rollouts, member: Member, namespace: str
):
    prober = ProberProcess(member, namespace)
    golden_set(member, namespace, **rows())
    live = rollouts.start(1, 2, 3, 5, rate=BRISK, operate={"arguments": prober.for_the_operator})
    with prober:
        chosen = gates("errors", "latency", "accuracy", "dead-neurons", "non-finite")
        client = live.adopt(preflight=PREFLIGHT, gates=chosen)
        for bad in (3, 5):
            live.version(bad)
            last = live.ended(240)["history"][-1]
            assert (last["result"], last["reason"]) == ("Rejected", "PreflightFailed"), live.report() + prober.log()
            assert client.versions().get(str(bad), 0) == 0
            assert set(live.weights(bad)) <= {0}
        live.version(2)
        passed = live.wait("the pre-flight", lambda s: (s.get("preflight") or {}).get("passed"), 240)
        assert passed["preflight"]["rows"] == ROWS
        began, ended = passed["preflight"]["startedAt"], passed["rollout"]["evidenceFrom"]
        print(f"{ROWS} rows at {PREFLIGHT['rate']} a second: pre-flight from {began} to {ended}")
        assert client.versions().get("2", 0) == 0
        assert live.ended(240)["history"][-1]["result"] == "Promoted", live.report()
    assert client.versions()["2"] > 0
    assert client.failed == []


def test_a_wrong_set_and_a_prober_killed_in_the_middle_hold_it_at_weight_0_over_both_protocols(
    rollouts: Rollouts, member: Member, namespace: str
):
    prober = ProberProcess(member, namespace)
    golden_set(member, namespace, **rows() | {"X": rows()["X"].astype(np.float64)})
    live = rollouts.start(1, 2, rate=0, grpc=True, operate={"arguments": prober.for_the_operator})
    live.adopt(
        preflight=PREFLIGHT | {"rate": 30, "gates": ["accuracy", "non-finite"]},
        gates=gates("errors", "accuracy", "non-finite"),
        traffic={
            "gateway": live.scenario.gateway_ref,
            "protocols": ["HTTP", "GRPC"],
            "grpc": {"hostnames": [live.scenario.grpc_hostname]},
        },
    )
    live.version(2)
    live.wait("who is missing", lambda s: s.get("phase") == "Preflight")
    with prober:
        said = live.wait("the wrong set", lambda s: s.get("reason") == "GoldenSetInvalid")
        assert "spec.preflight.goldenSet.key: array 'X' is float64, and the model takes FP32" in said["message"]
        golden_set(member, namespace, parquet=True, **rows())
        half = live.wait("half of it", lambda s: (s.get("preflight") or {}).get("rows", 0) > 100, 120)
        prober.kill()
        time.sleep(6)  # an absence: nobody says that the rest was sent
        known = live.status()
        assert (known["phase"], known["preflight"]["rows"] < ROWS) == ("Preflight", True), live.report()
        assert half["weight"]["desired"] == 0
    with prober:
        live.wait("a run that begins again", lambda s: 0 < s["preflight"]["rows"] < known["preflight"]["rows"], 120)
        passed = live.wait("the pre-flight", lambda s: (s.get("preflight") or {}).get("passed"), 180)
    assert passed["preflight"]["rows"] == ROWS
    assert set(live.weights(2)) <= {0, 10}
