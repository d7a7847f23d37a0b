"""Where a gateway knows versions by their place, a promotion leaves every backend with weight where it stands."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import PLACE, STABLE
from modelrollout.adapters.routers.forms.rules import ALL_BUT_NONE
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.adapters.routers.gateway_api import _has_weights
from modelrollout.adapters.routers.lowering import lowering, stable_at_release
from modelrollout.adapters.routers.reading import read
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.observation import RoutePlan
from modelrollout.dialects.envoy import ENVOY_GATEWAY
from modelrollout.runtime.polling_plan import place_in
from tests.unit.analysis.recorded import request_of, spec_of
from tests.unit.rollout.world import World
from tests.unit.routers.routes import SPEC, route

Refs = list[tuple[str, int]]


def refs(plan: RoutePlan, spec: Spec = SPEC) -> Refs:
    (split,) = (rule for rule in route_spec("ns", spec, plan)["rules"] if rule["name"] == "split")
    return [(ref["name"].removeprefix("digits-v"), ref["weight"]) for ref in split["backendRefs"]]


@pytest.mark.parametrize(
    ("sentence", "plan", "expected"),
    [
        ("stable alone", RoutePlan("1", version_header=True), [("1", 999_999), ("1", 1)]),
        ("a candidate beside it", RoutePlan("1", "2", 5, version_header=True), [("1", 95), ("2", 5)]),
        ("a bake", RoutePlan("1", "2", 100, version_header=True), [("1", 1), ("2", 999_999)]),
        ("promoted", RoutePlan("2", version_header=True, place=1), [("2", 1), ("2", 999_999)]),
        ("the next candidate", RoutePlan("2", "3", 5, version_header=True, place=1), [("3", 5), ("2", 95)]),
        ("its bake", RoutePlan("2", "3", 100, version_header=True, place=1), [("3", 999_999), ("2", 1)]),
        ("promoted too", RoutePlan("3", version_header=True), [("3", 999_999), ("3", 1)]),
        ("stable alone by names", RoutePlan("1"), [("1", 100)]),
        ("a gateway that goes by names", RoutePlan("1", "2", 100), [("1", 0), ("2", 100)]),
    ],
)
def test_the_backends_of(sentence: str, plan: RoutePlan, expected: Refs):
    assert refs(plan) == expected, sentence


def promotions(number: int, **changes: Any) -> tuple[World, list[tuple[str, Refs]]]:
    """The routes that are written one after another while so many versions are promoted, with the phase at each."""
    world = World(**changes).adopted()
    written: list[tuple[str, Refs]] = []
    for version in range(2, number + 2):
        world.want(str(version))
        world.make_ready(str(version))
        for _ in range(80):
            decision = world.tick()
            if decision.route is not None and (not written or written[-1][1] != refs(decision.route)):
                written.append((world.phase, refs(decision.route)))
            if (world.phase, world.parsed.stable) == ("Serving", str(version)):
                break
        assert world.parsed.stable == str(version)
    return world, written


@pytest.mark.slow
def test_no_write_of_many_promotions_takes_weight_from_a_place_or_another_version_into_one_that_has_it():
    world, written = promotions(5, version_header=True)
    for (_, before), (_, after) in pairwise(written):
        assert len(before) == len(after) == 2
        assert all(weight for _, weight in (*before, *after))
        for (was, had), (now, _) in zip(before, after, strict=True):
            assert was == now or had == ALL_BUT_NONE[1], (before, after)
    assert [refs for phase, refs in written if phase == "Serving"][-1] == [("6", 1), ("6", 999_999)]
    assert world.parsed.place == 1


def test_a_promotion_changes_nothing_of_the_version_that_it_promotes():
    _, written = promotions(2, version_header=True)
    for index, (phase, after) in enumerate(written):
        if phase == "Serving" and index:
            before = written[index - 1][1]
            place = next(place for place, (_, weight) in enumerate(after) if weight == ALL_BUT_NONE[0])
            assert before[place] == after[place]


def test_a_gateway_that_goes_by_names_has_stable_first_as_ever():
    world, written = promotions(2)
    assert {phase: found[0][0] for phase, found in written if phase == "Serving"} == {"Serving": "3"}
    assert world.parsed.place is None


def test_evidence_goes_by_the_place_that_status_says():
    world, _ = promotions(1, version_header=True)
    assert place_in(world.parsed, ENVOY_GATEWAY) == 1
    request = request_of(spec_of(), dialect=ENVOY_GATEWAY, place=1)
    labels = {"__name__": ENVOY_GATEWAY.requests, "envoy_response_code": "200"}
    found = {
        place: SeriesReader(request).channel(
            {**labels, "envoy_cluster_name": f"httproute/vision/digits/rule/0/backend/{place}"}
        )
        for place in (0, 1)
    }
    assert {place: channel and (channel.metric, channel.arm) for place, channel in found.items()} == {
        0: (s.GATEWAY_REQUESTS, "candidate"),
        1: (s.GATEWAY_REQUESTS, "stable"),
    }


@pytest.mark.parametrize(
    "plan", [RoutePlan("2", version_header=True, place=1), RoutePlan("2", "3", 5, version_header=True, place=1)]
)
def test_the_route_says_itself_where_stable_stands(plan: RoutePlan):
    body = route(plan)
    found = read(body)
    assert (found.stable, found.place, found.weight_of("2")) == ("2", 1, 100 - plan.weight)
    assert found.structure == structure("ns", body["metadata"]["annotations"], body["spec"])
    assert stable_at_release(replace(found, stable=None)) == "2"


def test_a_status_that_is_lost_finds_the_place_in_the_route():
    world, _ = promotions(1, version_header=True)
    world.status = {}
    world.tick()
    assert (world.parsed.stable, world.parsed.place) == ("2", 1)


def test_an_annotation_that_names_the_candidate_as_stable_is_still_a_doubt():
    body = route(RoutePlan("2", "3", 5, version_header=True, place=1))
    body["metadata"]["annotations"][STABLE] = "3"
    body["metadata"]["annotations"].pop("modelrollout.dev/candidate")
    found = read(body)
    assert found.stable is None
    assert "in its place" in found.doubt


@pytest.mark.parametrize("place", ["", "2", "-1", "x", "1 "])
def test_a_place_that_is_none_is_the_first(place: str):
    body = route(RoutePlan("1", version_header=True))
    body["metadata"]["annotations"][PLACE] = place
    assert (read(body).place, read(body).stable) == (0, "1")


@pytest.mark.parametrize(
    "plan",
    [
        RoutePlan("1"),
        RoutePlan("1", "2", 5),
        RoutePlan("1", version_header=True),
        RoutePlan("2", version_header=True, place=1),
        RoutePlan("1", "2", 5, version_header=True),
        RoutePlan("2", "3", 100, version_header=True, place=1),
    ],
)
def test_a_route_as_it_should_be_is_not_written_again(plan: RoutePlan):
    assert _has_weights(read(route(plan)), plan)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (RoutePlan("2", "3", 50, version_header=True, place=1), [("3", 0), ("2", 100)]),
        (RoutePlan("2", "3", 100, version_header=True, place=1), [("3", 0), ("2", 100)]),
        (RoutePlan("1", "2", 100, version_header=True), [("1", 100), ("2", 0)]),
        (RoutePlan("2", version_header=True, place=1), [("2", 0), ("2", 100)]),  # not that it is ever needed
    ],
)
def test_lowering_gives_all_to_stable_where_it_stands(plan: RoutePlan, expected: Refs):
    body = route(plan)
    patch = lowering(copy.deepcopy(body), read(body), RoutePlan(plan.stable, plan.candidate, 0), "")
    found = dict(enumerate(weight for _, weight in refs(plan)))
    for one in patch:
        if one["op"] == "add":
            found[int(one["path"].split("/")[-2])] = one["value"]
    assert [(version, found[place]) for place, (version, _) in enumerate(refs(plan))] == expected


def test_a_version_that_comes_back_at_once_takes_the_place_of_the_one_that_leaves():
    world, _ = promotions(1, version_header=True)
    world.want("1")
    world.make_ready("1")
    world.tick()
    assert (world.parsed.reason, world.parsed.stable, world.parsed.place) == ("FastRollback", "1", 1)
