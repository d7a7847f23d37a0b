"""Where a gateway counts backends apart only by a filter, every backend sets a header that names its version."""

from __future__ import annotations

import copy

import pytest

from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.rules import VERSION_HEADER, naming
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.adapters.routers.lowering import lowering
from modelrollout.adapters.routers.reading import read
from modelrollout.core.observation import RoutePlan
from tests.unit.rollout.world import World
from tests.unit.routers.routes import SPEC, route

NAMED = RoutePlan("1", "2", 5, testers=True, version_header=True)


def test_every_backend_of_every_rule_sets_it():
    rules = route_spec("ns", SPEC, NAMED)["rules"]
    found = [(ref["name"], ref["filters"]) for rule in rules for ref in rule["backendRefs"]]
    assert found == [(f"digits-v{version}", [naming(version)]) for version in ("1", "2", "2")]
    assert naming("2")["responseHeaderModifier"] == {"set": [{"name": VERSION_HEADER, "value": "2"}]}


def test_a_route_without_it_has_no_filters():
    rules = route_spec("ns", SPEC, RoutePlan("1", "2", 5, testers=True))["rules"]
    assert not any("filters" in ref for rule in rules for ref in rule["backendRefs"])


def test_it_is_read_back_and_is_part_of_the_structure():
    plain, named = read(route(RoutePlan("1", "2", 5, testers=True))), read(route(NAMED))
    assert (plain.version_header, named.version_header) == (False, True)
    assert plain.structure != named.structure
    body = route(NAMED)
    assert named.structure == structure("ns", body["metadata"]["annotations"], body["spec"])


@pytest.mark.parametrize("place", [0, 1])
def test_a_backend_that_lost_it_is_seen(place):
    body = route(NAMED)
    del body["spec"]["rules"][0]["backendRefs"][place]["filters"]
    assert not read(body).version_header


@pytest.mark.parametrize(
    "filters",
    [None, "x", [None], [{}], [{"responseHeaderModifier": None}], [{"responseHeaderModifier": {"set": "x"}}]],
)
def test_filters_that_are_none_say_nothing(filters):
    body = route(NAMED)
    body["spec"]["rules"][0]["backendRefs"][0]["filters"] = filters
    assert not read(body).version_header


def test_lowering_leaves_the_filters_where_they_are():
    body = route(RoutePlan("1", "2", 50, version_header=True))
    patch = lowering(copy.deepcopy(body), read(body), RoutePlan("1", "2", 0, version_header=True), "")
    assert [one["path"].rpartition("/")[2] for one in patch if one["op"] != "test"] == ["weight", "weight"]


def test_a_gateway_that_needs_it_gets_it_at_rest_and_in_every_step():
    world = World(version_header=True).adopted()
    assert world.route is not None
    assert world.route.version_header
    world.spec["model"] = {"name": "digits", "version": "2"}
    world.make_ready("2")
    world.tick()
    world.tick()
    assert world.route.weight_of("2") == 5
    assert world.route.version_header


@pytest.mark.parametrize("header", [False, True])
def test_while_the_gateway_is_not_known_the_route_stays_as_it_is(header):
    world = World(version_header=header).adopted()
    world.version_header = None
    decision = world.tick()
    assert decision.route is not None
    assert decision.route.version_header is header


def test_a_gateway_that_is_known_later_gets_it_without_a_change_of_weights():
    world = World().adopted()
    world.spec["model"] = {"name": "digits", "version": "2"}
    world.make_ready("2")
    world.tick()
    world.tick()
    world.version_header = True
    decision = world.tick()
    assert decision.lower is None
    assert decision.route is not None
    assert (decision.route.weight, decision.route.version_header) == (5, True)
