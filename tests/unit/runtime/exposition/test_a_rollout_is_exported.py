"""What is exported of a rollout: the same as its status, bounded in labels, and gone with the resource."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from modelrollout.api.spec import Spec
from modelrollout.api.status import MOST_GATES, GateStatus, HistoryEntry, Phase, PreflightStatus, Rejected, Status
from modelrollout.core.evaluation import Evaluation, GateResult, MetricsOutage
from modelrollout.runtime.exposition.endpoint import Exposition
from modelrollout.runtime.exposition.rollouts import FAMILIES, IDENTITY, Rows, phase_started, rows_of
from modelrollout.runtime.metrics import OTHER, MemoryMetrics
from modelrollout.runtime.reconcile import _show
from modelrollout.runtime.service import Service
from tests.unit.cli.rollouts import stepping
from tests.unit.rollout.world import manifest
from tests.unit.runtime.in_memory import made, one_pass

OWN = {family.name: family.labels[len(IDENTITY) :] for family in FAMILIES}
KEY = ("vision", "digits")
Text = dict[str, dict[tuple[tuple[str, str], ...], float]]


def status_of(**changes: Any) -> Status:
    return Status.model_validate(stepping(**changes)["status"])


def spec(**changes: Any) -> Spec:
    return Spec.model_validate(manifest("2", **changes))


def text(*rollouts: Rows, metrics: MemoryMetrics | None = None) -> Text:
    """As Prometheus reads it: name -> labels -> value."""
    written = Exposition(MemoryMetrics()).text((metrics or MemoryMetrics()).families(), list(rollouts))
    found: Text = {}
    for family in parsed(written.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.items())] = sample.value
    return found


def labels(found: Text, name: str) -> list[tuple[str, ...]]:
    """The values of its own labels, in their order, after those of the rollout."""
    own = OWN[name]
    return [tuple(dict(one)[label] for label in own) for one in found.get(name, {})]


def numbers(found: Text, name: str) -> dict[tuple[str, ...], float]:
    return dict(zip(labels(found, name), found.get(name, {}).values(), strict=True))


def judged(**more: Any) -> GateResult:
    return replace(GateResult("errors", "ErrorRate", "CONTINUE", "so far"), **more)


def evaluation(*gates: GateResult) -> Evaluation:
    return Evaluation("r", at=130.0, tick=3, tick_end=120.0, requests=5, step_started_at=0.0, gates=gates)


def test_weights_phase_step_versions_and_verdicts_are_those_of_the_status():
    found = text(rows_of(KEY, spec(), "", status_of(), (None, None)))
    assert labels(found, "modelrollout_rollout_phase") == [("Stepping",)]
    assert labels(found, "modelrollout_rollout_version_info") == [("stable", "1"), ("candidate", "2")]
    assert [*found["modelrollout_rollout_weight_desired_percent"].values()] == [25]
    assert [*found["modelrollout_rollout_weight_observed_percent"].values()] == [25]
    assert [*found["modelrollout_rollout_step"].values()] == [2]
    assert {one[0] for one in labels(found, "modelrollout_gate_verdict")} == {gate.name for gate in status_of().gates}


def test_an_unknown_weight_is_no_series_and_not_0():
    found = text(rows_of(KEY, None, "digits", status_of(weight={"desired": 25}), (None, None)))
    assert "modelrollout_rollout_weight_observed_percent" not in found
    assert labels(found, "modelrollout_rollout_steps") == []


def test_odds_are_plain_numbers_beside_those_that_decide():
    one = judged(against=4.976733742420574, needed=4.605170185988092, in_favour=-5.0)
    found = text(rows_of(KEY, spec(), "", status_of(), (evaluation(one), None)))
    odds = {side: value for (*_, side), value in numbers(found, "modelrollout_gate_odds").items()}
    needed = {side: value for (*_, side), value in numbers(found, "modelrollout_gate_odds_needed").items()}
    assert odds == pytest.approx({"against": 145, "for": 0.006738}, rel=1e-3)
    assert needed == pytest.approx({"against": 100, "for": 20})


@pytest.mark.parametrize("log_odds", [800.0, 1e300, float("inf"), float("nan"), float("-inf")])
def test_odds_of_any_size_can_be_written(log_odds: float):
    one = judged(against=log_odds, needed=4.6, in_favour=-log_odds)
    found = text(rows_of(KEY, spec(), "", status_of(), (evaluation(one), None)))
    assert all(0 <= value < float("inf") for value in numbers(found, "modelrollout_gate_odds").values())


def test_odds_and_outages_end_with_the_rollout():
    over = status_of(phase="Serving", rollout=None, step=None, candidate=None)
    outage = MetricsOutage("PrometheusTimeout", "away", 1.0)
    rows = rows_of(KEY, spec(), "", over, (evaluation(judged(against=1.0, needed=4.6)), outage))
    assert not {"modelrollout_gate_odds", "modelrollout_rollout_metrics_outage"} & rows.keys()
    assert "modelrollout_rollout_metrics_outage" in rows_of(KEY, spec(), "", status_of(), (None, outage))


def test_limits_of_the_spec_are_numbers_in_base_units():
    gates = [
        {"name": "errors", "type": "ErrorRate", "max": "0%"},
        {"name": "slow", "type": "Latency", "quantile": 0.95, "max": "80ms"},
        {"name": "right", "type": "Accuracy", "min": "97%"},
        {"name": "zeros", "type": "ZeroRatio", "within": ["30%", "70%"]},
        {"name": "beside", "type": "Latency"},
    ]
    found = text(rows_of(KEY, spec(gates=gates), "", status_of(), (None, None)))
    assert numbers(found, "modelrollout_gate_limit") == pytest.approx(
        {
            ("errors", "ErrorRate", "max", ""): 0.0,
            ("slow", "Latency", "max", "0.95"): 0.08,
            ("right", "Accuracy", "min", ""): 0.97,
            ("zeros", "ZeroRatio", "min", ""): 0.3,
            ("zeros", "ZeroRatio", "max", ""): 0.7,
        }
    )


def hostile() -> Status:
    """As many gates and as strange texts as a status can hold."""
    name = 'é"\\\n\u202e\ud800' * 40
    gate = GateStatus.model_construct(name=name, type="Nonsense", verdict="FAIL", required=True, left_out=None)
    gates = [gate.model_copy(update={"name": f"{name}{at}"}) for at in range(MOST_GATES)]
    last = HistoryEntry.model_construct(
        stable=name, candidate=name, result="RolledBack", reason="Mine\ud800", started_at=9.0, ended_at=5.0
    )
    known = status_of()
    return known.model_copy(update={"gates": gates, "stable": name, "reason": "Whatever", "history": [last]})


def test_no_text_of_a_status_spoils_the_scrape_or_makes_labels_without_end():
    rows = rows_of((KEY[0], "a" * 253), None, "модель-手書き", hostile(), (None, None))
    found = text(rows, rows_of(KEY, spec(), "", status_of(), (None, None)))
    assert labels(found, "modelrollout_rollout_reason")[0] == (OTHER,)
    assert labels(found, "modelrollout_rollout_last_end_timestamp_seconds")[0] == ("RolledBack", OTHER)
    assert {one[1] for one in labels(found, "modelrollout_gate_verdict")} > {OTHER}
    assert 0 in found["modelrollout_rollout_last_duration_seconds"].values()
    assert sum(len(samples) for samples in rows.values()) < 20 + 2 * MOST_GATES


@pytest.mark.parametrize("phase", get_args(Phase))
def test_the_phase_began_when_status_says_so(phase: Phase):
    known = status_of()
    assert known.rollout is not None
    assert known.step is not None
    moved = known.rollout.model_copy(update={"clock_stopped_at": 7.0, "bake_started_at": 8.0})
    rejected = Rejected(version="2", attempt=1, reason="GateFailed", at=9.0)
    preflight = PreflightStatus(run="a", asked="b", started_at=6.0)
    told = {"phase": phase, "rollout": moved, "rejected": rejected, "preflight": preflight}
    status = known.model_copy(update=told)
    began = {
        "Adopting": known.step.started_at,
        "Serving": known.history[-1].ended_at,
        "Preflight": 6.0,
        "Waiting": moved.waiting_since,
        "Stepping": known.step.started_at,
        "AwaitingApproval": 7.0,
        "Inconclusive": 7.0,
        "Baking": 8.0,
        "RolledBack": 9.0,
        "Rejected": 9.0,
    }
    assert phase_started(status) == began[phase]
    assert phase_started(Status()) is None


def test_every_family_is_named_for_its_unit_and_has_a_sentence():
    for family in FAMILIES:
        assert family.labels[: len(IDENTITY)] == IDENTITY
        assert family.meaning[:1].isupper() or family.meaning[:1].isdigit()
        assert not family.meaning.endswith(".")
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


async def test_a_pass_exports_what_it_recorded_and_a_deleted_rollout_leaves_nothing():
    reconciler, watch, cluster, clock = made()
    service = Service(reconciler, lambda *_: watch, clock)
    service.watches[KEY] = watch
    for _ in range(3):
        await one_pass(reconciler, watch, cluster, clock)
    assert labels(text(*service.shown()), "modelrollout_rollout_phase") == [(cluster.obj["status"]["phase"],)]
    cluster.get = cast("Any", _gone)  # type: ignore[method-assign]
    service.watches.clear()
    service.wake(*KEY)
    await service.tasks[KEY]
    assert service.shown() == []


async def _gone(*_: Any) -> None:
    return None


async def test_a_defect_in_the_metrics_fails_no_pass(monkeypatch: pytest.MonkeyPatch):
    reconciler, watch, cluster, clock = made()

    def broken(*_: Any) -> Rows:
        raise ZeroDivisionError

    monkeypatch.setattr("modelrollout.runtime.reconcile.rows_of", broken)
    await one_pass(reconciler, watch, cluster, clock)
    assert cluster.obj["status"]["phase"] == "Adopting" or cluster.obj["status"]["stable"]
    _show(watch, None, None, Status())
    assert watch.shown == {}


@pytest.mark.slow
def test_a_scrape_of_a_thousand_rollouts_is_bounded_in_bytes_and_time():
    """Three gates each, judged; the bounds are three times what was measured."""
    gates = tuple(judged(name=f"gate-{at}", against=0.5, needed=4.6, in_favour=0.1) for at in range(3))
    seen = (evaluation(*gates), None)
    every = [rows_of((f"team-{at % 40}", f"digits-{at}"), spec(), "", status_of(), seen) for at in range(1000)]
    exposition = Exposition(MemoryMetrics())
    times = [time.process_time()]
    for _ in range(2):
        written = exposition.text([], every)
        times.append(time.process_time())
    first, again = times[1] - times[0], times[2] - times[1]
    print(f"{len(written)} bytes, {1000 * first:.0f} ms, again {1000 * again:.0f} ms")
    assert len(written) < 12e6
    assert first < 6
    assert again < first / 3, "what no pass has changed is not written again"
