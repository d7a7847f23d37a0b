"""Whatever befalls the series on their way, what is read is what the processes counted, within a stated bound."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics.samples import SampleStore
from tests.unit.analysis.metrics.worlds import Process, counted, delivered, process, table_of
from tests.unit.analysis.renamings import renamed_world

seeds = st.integers(0, 2**32)


def world(seed: int, *, restarts: bool, bad: bool) -> tuple[list[Process], SampleStore]:
    rng = random.Random(seed)
    pods = [process(rng, pod, restarts=restarts, bad=bad) for pod in range(rng.randrange(1, 4))]
    return pods, delivered([one for pod in pods for one in pod.series(rng)], rng)


@pytest.mark.alike(4)
@pytest.mark.parametrize("seed", range(40))
def test_names_and_spellings_change_nothing(seed: int):
    pods, store = world(seed, restarts=False, bad=False)
    found = counted(table_of(store))
    for key in pods[0].growth:
        read, true = found[key], sum(one.true(*key) for one in pods)
        assert true - sum(one.hidden(*key) for one in pods) <= read <= true


def within_the_bound(seed: int) -> None:
    pods, store = world(seed, restarts=True, bad=True)
    found = counted(table_of(store))
    for key in pods[0].growth:
        read, true = found.get(key, 0.0), sum(one.true(*key) for one in pods)
        assert true - sum(one.hidden(*key) for one in pods) <= read <= true, key


@pytest.mark.alike(4)
@pytest.mark.parametrize("seed", range(40))
def test_life_is_never_counted_and_no_more_is_lost_than_promised(seed: int):
    within_the_bound(seed)


NAMES = {
    "names change": {"restarts": False, "bad": False, "crashes": False},
    "processes restart and samples are bad": {"restarts": True, "bad": True, "crashes": False},
    "most new names are new lives": {"restarts": False, "bad": False, "crashes": True},
}


def names_change_nothing(seed: int, **what: bool) -> None:
    pods, store = renamed_world(seed, **what)
    found = counted(table_of(store))
    for key in pods[0].growth:
        read, true = found.get(key, 0.0), sum(one.true(*key) for one in pods)
        assert true - sum(one.hidden(*key) for one in pods) <= read <= true, (seed, key)


@pytest.mark.slow
@pytest.mark.parametrize("what", NAMES)
def test_any_number_of_names_in_a_row_counts_nothing_twice_where(what):
    for seed in range(30):
        names_change_nothing(seed, **NAMES[what])


RESTARTED, CRASHING = "processes restart and samples are bad", "most new names are new lives"


@pytest.mark.parametrize(
    ("sentence", "what", "seed"),
    [
        ("of two names that begin with one good sample, the one whose bad sample came before is first", RESTARTED, 165),
        ("so it is where each life has its own name", CRASHING, 3459),
        ("at a bad sample a name is still there, and comes back from nowhere after it", RESTARTED, 3581),
        ("what was counted while no name was scraped is seen at the next one", "names change", 3655),
        ("a name that came back more often than it was scraped in a row was away in between", RESTARTED, 3689),
        ("so it was where each life has its own name", CRASHING, 957),
        ("so it was where names that were scraped a few times leave long gaps alone", RESTARTED, 2534),
        ("what is counted while no name lasts two scrapes tells nobody what is usual", "names change", 2740),
        ("the counters of two names that come back, in turns, say no more of a target's scrapes", "names change", 163),
        ("a name that comes back lower says of no restart what was counted under others", CRASHING, 886),
        ("a name that is away two scrapes after another began was not beside it for long", "names change", 1167),
    ],
)
@pytest.mark.slow
def test_names_and_bad_samples_together_count_once(sentence, what, seed):
    names_change_nothing(seed, **NAMES[what])


def test_a_burst_at_a_new_name_before_another_port_counts_once():
    within_the_bound(3952)


def test_a_restart_just_where_two_names_overlap_counts_once():
    for seed in (43, 1048):
        within_the_bound(seed)


@pytest.mark.slow
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_answers_changes_nothing(seed, rng):
    pods, store = world(seed, restarts=True, bad=True)
    again = delivered(list(store.series.values()), rng)
    one, other = table_of(store), table_of(again)
    assert list(one.growth) == list(other.growth)
    assert all((one.growth[key] == other.growth[key]).all() for key in one.growth)
    assert (one.left_out, one.unreadable, one.layouts) == (other.left_out, other.unreadable, other.layouts)
    assert len(pods) > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_two_thousand_worlds(first: int):
    for seed in range(first, first + 500):  # the same ones everywhere
        within_the_bound(seed)
