"""Where the place among the backends tells versions apart, it counts for a version from when that stands there."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.api.status import HistoryEntry
from modelrollout.core.analysis.metrics.model_series import ARMS
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import SETTLING, placed_at
from modelrollout.dialects.envoy import CILIUM, ENVOY_GATEWAY
from modelrollout.runtime.evaluation.question import first_tick
from tests.unit.analysis.metrics.test_any_dialect import Place, example
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

STEP = START + 120
ERRORS = {"name": "errors", "type": "ErrorRate"}


def history(dialect, placed_at: float | None) -> float:
    """Seconds before the rollout's start that count."""
    request = request_of(spec_of(), dialect=dialect, placed_at=placed_at)
    return -first_tick(request, 0) * request.interval


@pytest.mark.parametrize(
    ("placed_at", "seconds"),
    [(None, HISTORY), (START - 10 * HISTORY, HISTORY), (START - 601, 600), (START - 1, 0), (START, 0), (START + 60, 0)],
)
def test_history_begins_when_stables_place_counts_for_it(placed_at, seconds):
    assert history(ENVOY_GATEWAY, placed_at) == seconds


def test_names_keep_their_history():
    assert history(CILIUM, START - 1) == HISTORY
    assert history(None, START - 1) == HISTORY


def entries(*results: str) -> list[HistoryEntry]:
    """One rollout every hour, the first one ending at 0 h."""
    facts = {"stable": "1", "candidate": "2", "reason": "R"}
    return [
        HistoryEntry.model_validate({**facts, "result": result, "startedAt": 3600.0 * at, "endedAt": 3600.0 * at})
        for at, result in enumerate(results)
    ]


@pytest.mark.parametrize(
    ("results", "since"),
    [
        ((), None),
        (("Adopted",), 0.0),
        (("Adopted", "Promoted"), 3600 + SETTLING),
        (("Adopted", "Promoted", "FastRollback"), 7200 + SETTLING),
        (("Adopted", "Promoted", "RolledBack", "Aborted", "Replaced", "Rejected"), 3600 + SETTLING),
        (("RolledBack", "Aborted"), 0.0),
    ],
)
def test_stables_place_changes_with_a_promotion_and_a_fast_rollback_and_with_nothing_else(results, since):
    assert placed_at(entries(*results)) == since


def recording(dialect, stable_bad: float, candidate_bad: float, until: float) -> Recording:
    """Ten answers each per scrape, half of them errors while `until` has not come, where a share is asked for."""
    rec = Recording(scrapes(600), "gateway").growing(dialect.heartbeat, 0)
    for service, share in (("digits-v1", stable_bad), ("digits-v2", candidate_bad)):
        labels = {dialect.label: example(dialect).backend(Place(service=service))}
        bad = np.where(rec.times < until, 10 * share, 0)
        for status, growth in (("503", bad), ("200", 10 - bad)):
            rec.growing(dialect.requests, growth, **labels, **{dialect.status: status})
    return rec


def counted(samples: str) -> int:
    """Of the candidate."""
    return int(samples.split(maxsplit=1)[0].replace(",", ""))


@pytest.mark.parametrize("dialect", [ENVOY_GATEWAY, CILIUM], ids=lambda one: one.name)
async def test_what_the_candidate_before_left_is_not_the_next_ones(dialect):
    asked = request_of(spec_of(ERRORS), dialect=dialect, steps=((5, STEP),))
    found = await look(asked, 600, recording(dialect, 0, 0.5, STEP))
    before = STEP - START if dialect is CILIUM else 0  # what a name counted is its own, such as testers' requests
    assert counted(found.gates[0].samples) == pytest.approx(10 * (600 - 120 + before) / 5, abs=40)
    assert (found.gates[0].verdict != "FAIL") == (dialect is ENVOY_GATEWAY), found.gates[0].message


@pytest.mark.parametrize("dialect", [ENVOY_GATEWAY, CILIUM], ids=lambda one: one.name)
async def test_a_candidate_without_a_step_has_no_requests_at_a_place(dialect):
    found = await look(request_of(spec_of(ERRORS), dialect=dialect, steps=()), 300, recording(dialect, 0, 0.5, STEP))
    assert (found.requests == 0) == (dialect is ENVOY_GATEWAY)


@pytest.mark.parametrize("dialect", [ENVOY_GATEWAY, CILIUM], ids=lambda one: one.name)
async def test_what_another_version_did_in_stables_place_is_not_stables(dialect):
    asked = request_of(spec_of(ERRORS), dialect=dialect, steps=((5, STEP),), placed_at=STEP)
    found = await look(asked, 600, recording(dialect, 0.5, 0, STEP))
    assert (float(found.gates[0].stable.split()[0]) < 1) == (dialect is ENVOY_GATEWAY), found.gates[0].message


def test_the_arms_are_the_places():
    assert ARMS == ("stable", "candidate")
