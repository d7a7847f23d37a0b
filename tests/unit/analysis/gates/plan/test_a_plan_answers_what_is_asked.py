"""A plan says per gate when it passes, when it fails, what shows, and what cannot be proven with what could."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.preflight import Preflight
from modelrollout.core.analysis.gates.plan import words
from modelrollout.core.analysis.gates.plan.assumed import assumed_plan
from modelrollout.core.analysis.gates.plan.path import Path, bad_of, walk
from tests.unit.analysis.gates.plan.stables import answer, answers, planned, stable, windows
from tests.unit.analysis.recorded import spec_of

ACCURACY = {"name": "accuracy", "type": "Accuracy"}
DEAD = {"name": "dead", "type": "DeadNeurons"}
ERRORS = {"name": "errors", "type": "ErrorRate"}


@pytest.mark.slow
def test_more_traffic_proves_sooner_and_worse_candidates_fail_sooner():
    slow, quick = (answer(planned(stable(rate, 0.005))) for rate in (4, 100))
    assert quick.passes_after < slow.passes_after
    for found in (slow, quick):
        late = [np.inf if after is None else after for after in found.fails_after.values()]
        assert late == sorted(late, reverse=True)
    assert 1.45 < quick.smallest < slow.smallest


@pytest.mark.slow
def test_what_the_limit_allows_never_fails():
    found = answer(planned(stable(100, 0.0002)))
    assert found.plan.allows(2.0)
    assert 2.0 not in found.fails_after
    assert found.smallest > 5


@pytest.mark.slow
def test_where_stable_had_no_error_what_shows_is_a_share_of_its_own():
    found = answer(planned(stable(20, 0.0)))
    assert found.plan.allows(10.0)
    assert 0.0012 < found.plan.main.base * found.smallest < 0.03


@pytest.mark.slow
def test_steps_last_their_hold_and_until_the_requests_are_there():
    assert planned(stable(100, 0.0)).steps_begin == (0.0, 600.0)
    slow = planned(stable(2, 0.0)).steps_begin
    assert slow[1] == pytest.approx(200 / (2 * 0.05), abs=45)


@pytest.mark.slow
def test_a_pre_flight_takes_of_the_deadline_what_its_rows_take():
    asked = {"goldenSet": {"file": "rows.npz"}, "rows": 6000, "rate": 10}
    plain, held = (
        spec_of(deadline="20m"),
        spec_of(deadline="20m").model_copy(update={"preflight": Preflight.model_validate(asked)}),
    )
    spans = [len(walk(spec, 20, ()).path.weight) for spec in (plain, held)]
    assert spans[0] - spans[1] == 600 / plain.analysis.interval + 1
    text = " ".join(words.sentences(assumed_plan(held, 20)))
    assert "Before any traffic the pre-flight sends 6000 rows at 10 a second, 10 min, after an interval of 15s" in text
    assert words.as_json(assumed_plan(held, 20))["preflightSendsForSeconds"] == 600


@pytest.mark.slow
def test_what_cannot_be_proven_names_the_tolerance_and_the_weight_that_could():
    plan = planned(stable(1, 0.005))
    (errors,) = (one for one in plan.unprovable if one.plan.name == "errors")
    assert plan.proven_after is None
    assert any(text.startswith('versusStable {ratio: 1.25, plus: "') for text in errors.remedies)
    text = " ".join(words.sentences(plan))
    assert "errors cannot be proven at this traffic within 2h" in text
    assert "million" not in text


@pytest.mark.slow
def test_a_tolerance_that_is_named_is_enough():
    (could,) = (text for text in answer(planned(stable(1, 0.005))).remedies if "plus" in text)
    plus = could.split('"')[1]
    wide = {**ERRORS, "versusStable": {"ratio": 1.25, "plus": plus}}
    assert answer(planned(stable(1, 0.005), gates=(wide,))).passes_after is not None


@pytest.mark.slow
def test_a_heavier_last_step_that_is_named_is_enough():
    steps = [{"weight": 5, "hold": "10m"}]
    found = answer(planned(stable(3, 0.005), steps=steps))
    assert found.passes_after is None
    (weight,) = (int(text.split()[-2]) for text in found.remedies if "last step" in text)
    heavier = answer(planned(stable(3, 0.005), steps=[{"weight": weight, "hold": "10m"}]))
    assert heavier.passes_after is not None


@pytest.mark.slow
def test_accuracy_is_read_as_the_share_of_right_answers():
    found = answer(planned(stable(20, 0.0), answers(20, 0.05), gates=(ACCURACY,)), "accuracy")
    assert (found.plan.stable_words, found.plan.allowed_words) == ("95.0 %", ">= 94 %")
    assert found.passes_after < 3600


@pytest.mark.slow
def test_a_gate_of_windows_passes_with_its_tenth_window():
    found = answer(planned(stable(20, 0.0), windows(12, 5.0), gates=(DEAD,)), "dead")
    assert found.passes_after == pytest.approx(10 / (12 * 0.05 / 60), abs=420)
    assert found.fails_after[10.0] < found.passes_after


@pytest.mark.slow
def test_a_gate_without_series_is_unknown_and_says_why():
    plan = planned(stable(20, 0.0), gates=(ERRORS, DEAD))
    assert [name for name, _ in plan.unknown] == ["dead"]
    assert "dead: nothing is known (SeriesMissing" in " ".join(words.sentences(plan))


def test_stable_without_traffic_says_so():
    assert "stable had no requests" in words.line(planned(stable(0, 0.0)))


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1, 4, 20, 100, 2000])
def test_every_line_fits_into_80_columns_and_speaks_of_no_millions(rate):
    plan = planned(stable(rate, 0.005), answers(rate, 0.05), windows(rate, 5.0), gates=(
        ERRORS, ACCURACY, DEAD, {"name": "a-very-long-name-of-a-latency-gate-of-ours", "type": "Latency"},
    ))  # fmt: skip
    found = words.lines(plan)
    assert max(len(text) for text in found) <= 80
    assert "million" not in " ".join([*found, words.line(plan)])
    assert len(words.line(plan)) <= 512


@given(rate=st.sampled_from([0.2, 1, 7, 50, 900]), share=st.sampled_from([0.0, 0.003, 0.2, 1.0]))
def test_whole_requests_and_bad_ones_never_outgrow_each_other(rate, share):
    path = Path(15.0, np.repeat([0.05, 0.5], 100), (0, 100))
    for so_far in path.whole(rate):
        bad, each = bad_of(so_far, share), np.diff(so_far, prepend=0)
        assert (bad <= each).all()
        assert (bad >= 0).all()
        assert abs(bad.sum() - share * each.sum()) <= 1


@pytest.mark.slow
def test_a_leaning_gate_holds_the_step_of_the_forecast():
    plan = assumed_plan(spec_of(ERRORS), 20.0)
    (gate,) = (one.plan for one in plan.answers)
    bad = walk(plan.spec, 20.0, (gate,), 10.0)
    assert bad.path.begins == (0,)
    assert len(walk(plan.spec, 20.0, (gate,)).path.begins) == 2
