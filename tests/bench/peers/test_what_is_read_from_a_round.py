from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.peers import results
from tests.bench.peers.costs import Cost
from tests.bench.peers.outcomes import judge, lowered, unanswered
from tests.bench.peers.page import columns, page
from tests.bench.peers.results import Record, Watched
from tests.bench.peers.story import Moments
from tests.bench.peers.world.recorder import Recorder, share_of

ONSET, UNTIL, AWAY, BACK, END = 1000.0, 1450.0, 1450.5, 1570.0, 1660.0
MOMENTS = Moments(ONSET, UNTIL, END, (AWAY, BACK))
HELD = [(800.0, 0), (880.0, 20)]


def gone(at: float) -> list[tuple[float, int]]:
    return [*HELD, (at, 0)]


def test_a_bad_candidate_is_found_when_its_route_is_written() -> None:
    outcome = judge("errors-5", gone(ONSET + 61.5), [], MOMENTS)
    assert (outcome.found, outcome.false) == (61.5, False)


@pytest.mark.parametrize("scenario", ["errors-5", "equal", "incident"])
def test_a_rollback_before_the_onset_is_false_whatever_would_have_come(scenario: str) -> None:
    outcome = judge(scenario, gone(ONSET - 1), [], MOMENTS)
    assert outcome.false
    assert (outcome.found, outcome.incident, outcome.outage) == (None, False, None)


def test_an_equal_candidates_rollback_is_false_after_the_onset_too() -> None:
    assert judge("equal", gone(ONSET + 300), [], MOMENTS).false
    assert not judge("equal", HELD, [], MOMENTS).false


def test_a_rollback_in_the_shared_incident_is_no_find_and_not_called_false() -> None:
    outcome = judge("incident", gone(ONSET + 60), [], MOMENTS)
    assert (outcome.incident, outcome.found, outcome.false) == (True, None, False)


@pytest.mark.parametrize("moved", [(AWAY + 60, 0), (BACK + 30, 0), (AWAY + 60, 40)])
def test_any_move_while_prometheus_is_away_or_just_back_is_the_outages(moved: tuple[float, int]) -> None:
    outcome = judge("equal", [*HELD, moved], [], MOMENTS)
    assert (outcome.outage, outcome.false, outcome.raised) == (True, False, moved[1] > 20)


@pytest.mark.parametrize(("scenario", "weights"), [("equal", gone(ONSET + 9)), ("errors-1.5", HELD)])
def test_the_outage_says_nothing_where_no_good_candidate_has_traffic(
    scenario: str, weights: list[tuple[float, int]]
) -> None:
    assert judge(scenario, weights, [], MOMENTS).outage is None


def test_a_round_broken_off_before_the_outage_says_nothing_about_it() -> None:
    assert judge("equal", HELD, [], Moments(ONSET, UNTIL, UNTIL)).outage is None


def test_a_candidate_that_never_had_traffic_was_not_rolled_back() -> None:
    assert lowered([(800.0, 0)]) is None


def test_users_errors_are_the_candidates_from_the_onset_on() -> None:
    counts = [
        (999, "2", 503, 1),  # before
        (1000, "2", 503, 2),
        (1001, "1", 503, 4),  # stable's
        (1002, "2", 200, 8),
        (1450, "2", 503, 16),  # after the watch
        (1100, "", 0, 32),
    ]
    assert judge("errors-5", HELD, counts, MOMENTS).errors == 2
    assert unanswered(counts, 880, END) == 32


def test_a_share_is_read_from_weights_of_any_sum_and_from_none() -> None:
    assert share_of([{"name": "a", "weight": 80}, {"name": "b", "weight": 20}], "b") == 20
    assert share_of([{"name": "a", "weight": 3}, {"name": "b", "weight": 1}], "b") == 25
    assert share_of([{"name": "a"}, {"name": "b"}], "b") == 50
    assert share_of([{"name": "a", "weight": 100}], "b") == 0
    assert share_of([{"name": "a", "weight": 0}, {"name": "b", "weight": 0}], "b") == 0


def test_a_recorder_leaves_out_repetitions_and_what_was_before_the_rollout() -> None:
    recorder = Recorder(None, ("v1", "Any"), "ns", lambda found: found["share"])  # type: ignore[arg-type]
    for share in (50, 0, 0):
        recorder._note({"metadata": {"name": "c01"}, "share": share})
    recorder.forget()
    recorder._note({"metadata": {"name": "c01"}, "share": 20})
    recorder._note({"metadata": {"name": "c01"}, "share": 20})
    assert [[share for _, share in seen] for _, seen in recorder.shares()] == [[0, 20]]


def record(tool: str, setting: str, *canaries: tuple[str, float | None], seed: int = 1) -> Record:
    watched = [
        Watched(f"c{at:02}", scenario, HELD if found is None else gone(ONSET + found), [(1001, "2", 503, 3)])
        for at, (scenario, found) in enumerate(canaries)
    ]
    cost = Cost(seconds=100, cpu=2.5, memory=64 * 2**20, reads=150, writes=20, queries=50)
    return Record(tool, setting, "1.2", "as documented", seed, False, 1.5, MOMENTS, cost, watched, unanswered=1)


OURS = record("modelrollout", "defaults", ("equal", None), ("errors-5", 70.0), ("errors-1.5", None))
PEER = record("Flagger", "quickest", ("equal", 30.0), ("errors-5", -20.0), ("incident", 50.0))


def row(text: str, label: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {label}")]
    return [cell.strip() for cell in lines[0].strip("|").split("|")[1:]]


def test_the_page_has_ours_first_and_every_figure_where_it_belongs() -> None:
    text = page([PEER, OURS])
    assert row(text, " ") == ["modelrollout, defaults", "Flagger, quickest"]
    assert row(text, "rolled back though") == ["0 of 3", "2 of 3"]
    assert row(text, "of these, equally good") == ["0 of 1", "1 of 1"]
    assert row(text, "rolled back in the shared") == ["-", "1 of 1"]
    assert row(text, "moved by Prometheus's outage") == ["0 of 1", "-"]
    assert row(text, "found: errors 0.5 to 5 %") == ["1 of 1: 70 s", "-"]
    assert row(text, "found: errors 0.5 to 1.5 %") == ["0 of 1", "-"]
    assert row(text, "errors its users saw") == ["3", "-"]
    assert row(text, "CPU") == ["2.50", "2.50"]
    assert row(text, "memory") == ["64", "64"]
    assert row(text, "API reads") == ["1.50", "1.50"]
    assert row(text, "API writes") == ["0.20", "0.20"]
    assert row(text, "Prometheus queries") == ["0.50", "0.50"]
    assert "- Flagger, quickest: as documented" in text
    assert "Flagger 1.2, modelrollout 1.2" in text


def test_rounds_of_one_tool_are_one_column() -> None:
    (column,) = columns([OURS, record("modelrollout", "defaults", ("errors-5", 40.0), seed=2)])
    assert row(page(column.records), "found: errors 0.5 to 5 %") == ["2 of 2: 40, 70 s"]


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing has been measured"):
        page([])


def test_what_is_kept_is_read_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELROLLOUT_LAB_CACHE", str(tmp_path))
    results.keep(OURS)
    results.keep(record("Flagger", "quickest", ("equal", None), seed=7))
    assert results.kept(quick=False, seeds=1) == [OURS]
    assert results.kept(quick=True, seeds=9) == []
    assert results.path_of("Flagger, quickest", 7, quick=False).is_file()
