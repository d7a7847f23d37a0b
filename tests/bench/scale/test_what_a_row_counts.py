"""The table's figures are what their titles say, and the stand-in keeps an API server's rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.scale.page import TITLE, section, section_in, with_section
from tests.bench.scale.row import Figures, Fleet, lateness
from tests.bench.scale.world.store import RefusedError, Store, merged, patched

KIND = ("modelrollout.dev", "modelrollouts")
KEY = ("team-00", "m-0000")


@pytest.fixture
def store() -> Store:
    found = Store()
    found.create(KIND, {"metadata": {"namespace": KEY[0], "name": KEY[1]}, "spec": {"version": "1"}})
    return found


def test_an_evaluation_that_asks_twice_is_not_late():
    times = [100.0, 100.2, 101.0, 115.0, 115.3, 130.1]
    assert lateness({"m-0000": times}, 100.0) == pytest.approx(0.1)


def test_the_longest_gap_of_any_rollout_counts():
    on_time, late = [100.0, 115.0, 130.0, 145.0], [100.0, 115.0, 137.5, 145.5]
    assert lateness({"m-0000": on_time, "m-0001": late}, 100.0) == pytest.approx(7.5)
    assert lateness({"m-0001": late}, 140.0) == 0.0


def test_the_section_takes_the_place_of_the_one_before():
    figures = Figures(Fleet(1000, 300, 5), 70.0, 300.0, 5.0, 20.0, 0.13, 0.2, 0.1, 0.3, 2.0)
    text = section([figures], "2 cores")
    page = with_section("# Page\n\n## First\n\none\n", text)
    assert page == with_section(page, text)
    assert with_section(f"{page}\n## Last\n\ntwo\n", text).endswith("\n\n## Last\n\ntwo\n")
    assert section_in(page) == text
    assert page.count(TITLE) == 1


def test_a_write_is_fenced_and_the_same_again_is_none(store: Store):
    old = store.get(KIND, KEY)
    new = store.change(KIND, KEY, merged(old, {"spec": {"version": "2"}}))
    assert new["metadata"]["generation"] == 2
    assert store.change(KIND, KEY, merged(new, {"spec": {"version": "2"}})) is new
    with pytest.raises(RefusedError, match="Conflict"):
        store.change(KIND, KEY, old, status=True)
    assert store.change(KIND, KEY, {**new, "status": {"phase": "x"}}, status=True)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("operations", "left"),
    [
        ([{"op": "replace", "path": "/a/0/b", "value": 2}], {"a": [{"b": 2}], "c/d": 1}),
        ([{"op": "remove", "path": "/c~1d"}], {"a": [{"b": 1}]}),
        ([{"op": "test", "path": "/a/0/b", "value": 1}, {"op": "add", "path": "/e", "value": 3}], None),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [{"b": 1}, 3], "c/d": 1}),
    ],
)
def test_json_patches_do_what_they_say(operations: list[dict[str, Any]], left: dict[str, Any] | None):
    old: dict[str, Any] = {"a": [{"b": 1}], "c/d": 1}
    assert patched(old, operations) == (left or {**old, "e": 3})
    assert old == {"a": [{"b": 1}], "c/d": 1}
    with pytest.raises(RefusedError):
        patched(old, [{"op": "test", "path": "/a/0/b", "value": 9}])
