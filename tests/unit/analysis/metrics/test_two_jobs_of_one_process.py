"""One process under two scrape jobs of any intervals, side by side or in turn, renamed or not, counts once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from tests.unit.analysis.metrics.counting import READER

FIRST, LAST = 1000.0, 1900.0
GRID = make_grid(FIRST - 10, 15.0, 0, 80)
BOTH_METRICS = {s.SUCCESS: 7.0, s.FAILURE: 3.0}
"""What a second adds to each counter."""
LIVED = 40_000.0


def scraped(job: str, every: float, offset: float, span: tuple[float, float], **labels: str) -> list[Series]:
    """What one job has of the process: each counter at each of its scrapes."""
    times = np.arange(span[0] + offset, span[1], every)
    own = {"job": job, "instance": "10.0.0.1:8000", "model": "digits", "version": "2", **labels}
    return [
        make_series({"__name__": metric, **own}, [(at, float(int(LIVED + rate * (at - FIRST)))) for at in times])
        for metric, rate in BOTH_METRICS.items()
    ]


def read(*found: Series, scrape: float = 5.0) -> dict[str, float]:
    store, _ = counted_once(SampleStore().merged(found))
    table = make_tick_table([store], READER, GRID, scrape)
    return {metric: float(table.total(metric, "candidate").sum()) for metric in BOTH_METRICS}


def counts_once(found: list[Series], lost: float) -> None:
    """Nothing twice, and nothing lost but what was counted in so many seconds."""
    times = np.concatenate([one.times for one in found if len(one.times)]) / 1000
    for metric, total in read(*found).items():
        true = BOTH_METRICS[metric] * (times.max() - times.min())
        assert true - BOTH_METRICS[metric] * lost - 2 <= total <= true + 1, (metric, total, true)


INTERVALS = st.sampled_from([5.0, 10.0, 15.0, 30.0, 60.0])
OFFSETS = st.floats(0, 4.9).map(lambda seconds: round(seconds, 3))


@given(INTERVALS, INTERVALS, OFFSETS, OFFSETS, st.sampled_from(["ab", "ba"]))
@example(5.0, 15.0, 0.0, 0.0, "ba")
def test_side_by_side_at_any_intervals(one, other, shift, moved, names):
    found = scraped(names[0], one, shift, (FIRST, LAST)) + scraped(names[1], other, moved, (FIRST, LAST))
    counts_once(found, lost=2 * max(one, other))


@given(INTERVALS, INTERVALS, OFFSETS, OFFSETS, st.sampled_from(["ab", "ba"]), st.floats(1200, 1700), st.floats(0, 200))
def test_the_second_takes_over_at_any_time(one, other, shift, moved, names, at, beside):
    """`beside`: so long both were scraped."""
    found = scraped(names[0], one, shift, (FIRST, at + beside)) + scraped(names[1], other, moved, (at, LAST))
    counts_once(found, lost=3 * max(one, other))


MOVES = [{"team": "vision"}, {"team": "vision", "zone": "b"}]


@given(
    st.sampled_from([5.0, 15.0]),
    OFFSETS,
    st.sampled_from(["ab", "ba"]),
    st.floats(1200, 1700),
    st.integers(0, 4),
    st.sampled_from(MOVES),
    st.booleans(),
)
def test_a_job_that_is_renamed_together_with_labels(every, shift, names, at, scrapes, more, again):
    """Both names stand side by side for some scrapes; and it may be renamed back."""
    over = at + scrapes * every
    found = scraped(names[0], every, shift, (FIRST, over)) + scraped(names[1], every, shift, (at, LAST), **more)
    if again:
        found = [
            *scraped(names[0], every, shift, (FIRST, over)),
            *scraped(names[1], every, shift, (at, at + 150), **more),
            *scraped("c", every, shift, (at + 150, LAST), **more, region="eu"),
        ]
    counts_once(found, lost=4 * every)


@pytest.mark.parametrize("scrapes", [0, 1, 3])
@pytest.mark.parametrize("others", [1, 2])
def test_a_job_that_is_renamed_with_labels_while_another_goes_on(scrapes, others):
    """A second job scrapes the process all the time: the first one's new name adds nothing."""
    steady = [one for at in range(others) for one in scraped(f"s{at}", 5.0, 1.0 + at, (FIRST, LAST))]
    moved = [*scraped("a", 5.0, 0.0, (FIRST, 1500 + 5 * scrapes)), *scraped("b", 5.0, 0.0, (1500, LAST), team="vision")]
    counts_once([*steady, *moved], lost=20.0)
