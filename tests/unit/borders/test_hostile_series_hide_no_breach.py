"""Whatever a scraped Pod exports beside it, a version that breaks a limit is found to, by the gates that see it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.gates.definition import GateDefinition
from modelrollout.core.analysis.gates.registry import definition_of
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.gateway.lookalikes import together
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.metrics.tick_table import TickTable
from tests.unit.analysis.recorded import Recording, gateway, look, request_of, scrapes, spec_of
from tests.unit.borders.hostile import TEXTS

UNTIL = 300
OTHERS = ("DeadNeurons", "NonFinite", "Accuracy", "Latency", "ZeroRatio", "NegativeRatio", "Drift")
GATES = [{"name": "errors", "type": "ErrorRate"}, *({"name": each.lower(), "type": each} for each in OTHERS)]
OF_A_MODEL = (
    s.REQUESTS, s.REQUEST_ERRORS, s.DURATION, s.SUCCESS, s.FAILURE, s.EVALS, s.CORRECT, s.EVALS_LOST, s.SAMPLES,
    s.OFFERED, s.OBSERVATIONS, s.DROPPED, s.ELEMENTS, s.ZEROS, s.NEGATIVES, s.NONFINITE, s.MAGNITUDES, s.WINDOWS,
    s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED, s.WINDOW_SIZE, s.LAYER_INFO, s.INFO,
)  # fmt: skip
LABELS = ("layer", "le", "reason", "digest", "kind", "source", "dead_if", "job", "exported_job", "instance")
VALUES = st.lists(
    st.sampled_from([0.0, 1.0, 5.0, 1e15, 2.0**63, 1e200, 1e308, 5e-324, -1.0, np.nan, np.inf, -np.inf]),
    min_size=1, max_size=6,
)  # fmt: skip


async def verdicts(*hostile: Recording) -> dict[str, Any]:
    """The gates by name, with a candidate a third of whose answers are errors at the gateway."""
    failing = gateway(UNTIL, stable=(20, 0), candidate=(20, 10), before=300)
    found = await look(request_of(spec_of(*GATES)), UNTIL, failing, *hostile)
    return {gate.name: gate for gate in found.gates}


@pytest.mark.slow
@given(
    metrics=st.lists(st.sampled_from(OF_A_MODEL), min_size=1, max_size=len(OF_A_MODEL), unique=True),
    texts=st.dictionaries(st.sampled_from(LABELS), TEXTS, max_size=4),
    values=VALUES,
    arms=st.sampled_from(["1", "2", "12"]),
)
@example(metrics=[s.WINDOWS], texts={"layer": "conv1"}, values=[0.0, 1.0, 2.0, 3.0], arms="12")
@example(metrics=[s.WINDOWS, s.WINDOW_NEURONS], texts={}, values=[1e15, 1e200, 1e308], arms="12")
async def test_no_series_of_a_model_keeps_its_errors_from_being_seen(
    metrics: list[str], texts: dict[str, str], values: list[float], arms: str
):
    times = scrapes(UNTIL, before=300)
    hostile = Recording(times, "evil")
    rising = np.resize(np.array(values), len(times)) + np.arange(len(times)) // len(values)
    for metric in metrics:
        for version in arms:
            known = {"model": "digits", "version": version, "le": "1", "layer": "conv1", "reason": "rank"}
            named: dict[str, Any] = known | texts
            hostile.reading(metric, rising, **named)
    found = await verdicts(hostile)
    assert found["errors"].verdict == "FAIL"
    assert not any("NotJudged" in gate.message for gate in found.values())


@pytest.mark.alike(1)
@pytest.mark.parametrize("broken", OTHERS)
async def test_a_gate_that_raises_is_without_evidence_and_hides_no_other(broken: str, monkeypatch: pytest.MonkeyPatch):
    kind = definition_of(spec_of({"name": "x", "type": broken}).gates[0])
    judged = GateDefinition.judged

    def judge(self: Any, *arguments: Any) -> Any:
        if self is kind:
            raise ArithmeticError("a defect\x1b of this gate" + "!" * 500)
        return judged(self, *arguments)

    monkeypatch.setattr(GateDefinition, "judged", judge)
    found = await verdicts()
    assert found["errors"].verdict == "FAIL"
    gate = found[broken.lower()]
    assert (gate.verdict, gate.required) == ("NO_DATA", broken not in {"ZeroRatio", "NegativeRatio", "Drift"})
    assert gate.message.startswith("NotJudged: these samples cannot be judged: ArithmeticError: a defect")
    assert gate.message.isprintable()
    assert len(gate.message) < 250


GROWTH = {
    s.SAMPLES: 100, s.ELEMENTS: 6400, s.ZEROS: 3000, s.NEGATIVES: 300, s.NONFINITE: 0, s.WINDOWS: 1,
    s.WINDOW_NEURONS: 100, s.WINDOW_DEAD: 3, s.WINDOW_DEAD_SQUARED: 9, s.EVALS: 50, s.CORRECT: 45,
}  # fmt: skip


@pytest.mark.alike(1)
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("part", "gate"),
    [
        (s.WINDOW_NEURONS, "deadneurons"), (s.WINDOW_DEAD, "deadneurons"), (s.WINDOW_DEAD_SQUARED, "deadneurons"),
        (s.ZEROS, "zeroratio"), (s.NEGATIVES, "negativeratio"), (s.NONFINITE, "nonfinite"), (s.CORRECT, "accuracy"),
    ],
)  # fmt: skip
async def test_what_one_version_does_not_export_is_not_taken_for_none(part: str, gate: str, version: str):
    kept = Recording(scrapes(UNTIL, before=300), "triton")
    for each in "12":
        for metric, growth in GROWTH.items():
            if (metric, each) != (part, version):
                kept.growing(metric, growth, model="digits", version=each, layer="conv1", kind="nan", source="labels")
    found = await verdicts(kept)
    assert (found[gate].verdict, part in found[gate].message) == ("NO_DATA", True)
    assert found["errors"].verdict == "FAIL"
    others = {name: one for name, one in found.items() if name in {"deadneurons", "nonfinite", "accuracy"} - {gate}}
    assert {one.verdict for one in others.values()} == {"PASS"}


async def test_requests_whose_errors_are_not_exported_prove_nothing():
    model = Recording(scrapes(UNTIL, before=300), "triton")
    for version in "12":
        model.growing(s.REQUESTS, 20, model="digits", version=version)
    found = await look(request_of(spec_of({"name": "errors", "type": "ErrorRate", "source": "Model"})), UNTIL, model)
    assert found.gates[0].verdict == "NO_DATA"
    assert s.REQUEST_ERRORS in found.gates[0].message


class Counted(dict[Channel, Any]):
    """How often somebody went through all of it."""

    rounds = 0

    def __iter__(self) -> Any:
        self.rounds += 1
        return super().__iter__()

    def items(self) -> Any:
        self.rounds += 1
        return super().items()


def table_of(growth: dict[Channel, Any]) -> TickTable:
    return TickTable(make_grid(0, 1, 0, 1), growth, {}, {}, frozenset(), {}, {}, {}, {})


CHANNELS = st.builds(
    Channel, *map(st.sampled_from, (("a", "b"), ("stable", "candidate", "both"), ("", "x", "y"), ("", "1", "2", "3")))
)


@given(
    channels=st.lists(CHANNELS, unique=True, max_size=12),
    metric=st.sampled_from(["a", "b", "c"]),
    arm=st.sampled_from(["stable", "candidate", "both"]),
    layer=st.none() | st.sampled_from(["", "x", "z"]),
    details=st.none() | st.lists(st.sampled_from(["", "1", "2", "9"]), max_size=4),
)
def test_a_total_is_the_sum_of_exactly_the_channels_that_are_asked_for(
    channels: list[Channel], metric: str, arm: Arm, layer: str | None, details: list[str] | None
):
    growth = {channel: np.array([2.0**k, 1.0]) for k, channel in enumerate(channels)}
    table = table_of(growth)
    fit = [
        channel for channel in channels
        if (channel.metric, channel.arm) == (metric, arm)
        and layer in {None, channel.layer} and (details is None or channel.detail in details)
    ]  # fmt: skip
    assert table.total(metric, arm, layer=layer, details=details).tolist() == [
        sum(float(growth[channel][0]) for channel in fit), float(len(fit)),
    ]  # fmt: skip
    mine = [channel for channel in channels if (channel.metric, channel.arm) == (metric, arm)]
    assert table.layers(metric, arm) == {channel.layer for channel in mine}
    assert table.details(metric, arm) == {channel.detail for channel in mine}
    assert table.details(metric) == {channel.detail for channel in channels if channel.metric == metric}


def test_a_table_is_gone_through_once_however_many_layers_and_details_are_asked_for():
    growth = Counted({Channel("a", "stable", f"l{k}", f"d{k}"): np.ones(2) for k in range(500)})
    table = table_of(growth)
    for k in range(500):
        table.total("a", "stable", layer=f"l{k}")
        table.total("a", "stable", details=[f"d{k}"])
        table.total("a", "stable", layer=f"l{k}", details=[f"d{k}"])
    table.layers("a", "stable")
    table.details("a")
    assert growth.rounds <= 2


SPANS = st.dictionaries(
    st.text(max_size=2), st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted).map(tuple), max_size=8
)


@given(spans=SPANS, least=st.integers(0, 5))
def test_two_that_grow_together_are_found_without_comparing_each_with_each(spans: dict[str, Any], least: int):
    pairs = [
        (one, other)
        for one, other in combinations(sorted(spans), 2)
        if min(spans[one][1], spans[other][1]) - max(spans[one][0], spans[other][0]) >= least
    ]
    found = together(spans, least)
    assert found in pairs if pairs else found == ()


@given(spans=SPANS, least=st.integers(0, 5), most=st.integers(1, 3))
def test_as_many_as_our_own_matches_may_grow_together(spans: dict[str, Any], least: int, most: int):
    alike = [
        some
        for some in combinations(sorted(spans), most + 1)
        if min(spans[one][1] for one in some) - max(spans[one][0] for one in some) >= least
    ]
    found = together(spans, least, most)
    assert found in alike if alike else found == ()
