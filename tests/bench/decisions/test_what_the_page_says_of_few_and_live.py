"""The page's parts about few requests and about rollouts on the lab say what was measured."""

from __future__ import annotations

import json

from tests.bench.decisions.live.batch import Seen, as_json, behaviours
from tests.bench.decisions.live.section import AT_ONCE, COPIES, RATES, batches, live_section
from tests.bench.decisions.speed.cells import STABLE, Cell
from tests.bench.decisions.speed.few import lost


def test_every_change_is_watched_and_no_lab_has_too_many_requests():
    found = batches(COPIES, RATES)
    assert sum(len(each) for each in found) == COPIES * len(RATES) * 6
    for cells in found:
        assert len({one.rate for one in cells}) == 1
        assert sum(one.rate * (1 + STABLE) for one in cells) <= AT_ONCE


def test_a_rollout_that_was_not_rolled_back_is_said(tmp_path):
    path = tmp_path / "live.json"
    seen = [
        Seen("1 to 5 % errors", 4, 2, live, offline, 0.5)
        for live, offline in ((40.0, 35.0), (None, None), (60.0, 50.0))
    ]
    path.write_text(json.dumps(as_json(seen)))
    text = live_section(path)
    assert "| 4 | 1 to 5 % errors | 2 | 3 | 60 (40 to later) | 50 (35 to later) |" in text
    assert "1 of 3 were not rolled back" in text
    assert live_section(tmp_path / "none.json") == "Not measured yet."


def test_a_bad_candidate_is_as_the_cell_says():
    usual, bad = behaviours(Cell((0.01, 0.05), 4, 0))
    assert (usual.errors, bad.errors, usual.slower, bad.slower) == (0.01, 0.05, 1.0, 1.0)
    usual, bad = behaviours(Cell(None, 4, 0))
    assert (usual.errors, usual.slower) == (bad.errors, 1.0)
    assert bad.slower == 1.5


def test_joined_ticks_lose_less_than_those_of_an_interval_where_requests_are_few():
    for rate, weight in ((0.1, 0.2), (0.2, 0.05), (0.2, 0.5)):
        scrape, interval, joined = lost(rate, weight, 3000)
        assert scrape > interval > 2 * joined
