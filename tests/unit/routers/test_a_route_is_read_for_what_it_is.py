"""Routes that no server of ours would write: older CRDs, hand-made objects, half a status. Read, never guessed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.routers.forms.marks import EPOCH
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.adapters.routers.lowering import NotTheSameRoute, is_newer, lowering
from modelrollout.adapters.routers.reading import read
from modelrollout.core.observation import RoutePlan
from tests.golden.routes import LYING, lying
from tests.unit.routers.routes import judged, route


def without_names(obj: dict[str, Any]) -> dict[str, Any]:
    pruned = copy.deepcopy(obj)
    for rule in pruned["spec"]["rules"]:
        del rule["name"]
    return pruned


def apply_patch(obj: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """The operations our patches use (RFC 6902), nothing more."""
    done = copy.deepcopy(obj)
    for step in patch:
        *parents, last = [p.replace("~1", "/").replace("~0", "~") for p in step["path"].split("/")[1:]]
        at: Any = done
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at[part]
        key: Any = int(last) if isinstance(at, list) else last
        if step["op"] == "test":
            assert at[key] == step["value"], step
        elif step["op"] == "remove":
            del at[key]
        else:
            at[key] = step["value"]
    return done


def weights(obj: dict[str, Any]) -> list[int]:
    return [ref["weight"] for ref in obj["spec"]["rules"][0]["backendRefs"]]


def test_a_crd_too_old_for_rule_names_is_no_drift_and_can_be_lowered() -> None:
    plan = RoutePlan("1", "2", 50, testers=True)
    pruned = without_names(route(plan))
    seen = read(pruned)
    assert seen.structure == read(route(plan)).structure
    assert (seen.weight_of("2"), seen.testers) == (50, True)
    lowered = apply_patch(pruned, lowering(pruned, seen, RoutePlan("1", "2", 0), ""))
    assert weights(lowered) == [100, 0]
    assert len(lowered["spec"]["rules"]) == 1


def test_what_the_api_server_fills_in_is_no_drift() -> None:
    plan = RoutePlan("1", "2", 5, testers=True)
    bare = route(plan)
    for parent in bare["spec"]["parentRefs"]:
        del parent["group"], parent["kind"]
    for rule in bare["spec"]["rules"]:
        for ref in rule["backendRefs"]:
            del ref["group"], ref["kind"]
        for match in rule["matches"]:
            for header in match.get("headers", []):
                del header["type"]
    assert read(bare).structure == read(route(plan)).structure


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["hostnames"].append("b.example.com"),
        lambda spec: spec["parentRefs"][0].update(name="other"),
        lambda spec: spec["parentRefs"][0].update(sectionName="tls"),
        lambda spec: spec["rules"][0]["matches"][0]["path"].update(value="/"),
        lambda spec: spec["rules"][0]["backendRefs"].reverse(),
        lambda spec: spec["rules"][0]["backendRefs"][1].update(port=9000),
        lambda spec: spec["rules"][0].update(timeouts={"request": "1s"}),
        lambda spec: spec["rules"][0]["backendRefs"][1].update(filters=[{"type": "RequestMirror"}]),
        lambda spec: spec["rules"].reverse(),
        lambda spec: spec["rules"].pop(),
    ],
)
def test_every_change_but_of_weights_is_drift(change: Any) -> None:
    plan = RoutePlan("1", "2", 5, testers=True)
    changed = route(plan)
    change(changed["spec"])
    assert read(changed).structure != read(route(plan)).structure


def test_weights_and_the_leader_are_no_drift() -> None:
    five, fifty = route(RoutePlan("1", "2", 5)), route(RoutePlan("1", "2", 50))
    fifty["metadata"]["annotations"][EPOCH] = "9.9-x"
    assert read(five).structure == read(fifty).structure


def test_an_omitted_weight_is_one_as_the_gateway_api_has_it() -> None:
    bare = route(RoutePlan("1", "2", 5))
    for ref in bare["spec"]["rules"][0]["backendRefs"]:
        del ref["weight"]
    seen = read(bare)
    assert (seen.weight_of("1"), seen.weight_of("2")) == (50, 50)
    assert weights(apply_patch(bare, lowering(bare, seen, RoutePlan("1", "2", 5), ""))) == [95, 5]


@pytest.mark.parametrize("title", LYING)
def test_an_annotation_that_contradicts_the_split_is_a_doubt(title: str) -> None:
    seen = read(lying(LYING[title]))
    assert seen.stable is None
    assert seen.doubt


@pytest.mark.parametrize("weight", [0, 25, 50, 99, 100])
def test_in_every_step_and_in_the_bake_the_annotation_is_believed(weight: int) -> None:
    assert read(route(RoutePlan("1", "2", weight))).stable == "1"


@pytest.mark.parametrize("spec", [{}, {"rules": []}, {"rules": [{"name": "mine"}]}, {"rules": [{}]}])
def test_a_route_that_was_never_ours_is_doubted_not_misread(spec: dict[str, Any]) -> None:
    seen = read({"metadata": {"name": "digits", "namespace": "ns", "resourceVersion": "1"}, "spec": spec})
    assert (seen.stable, seen.backends, seen.model, seen.epoch) == (None, (), None, None)
    assert "modelrollout.dev/stable" in seen.doubt


@pytest.mark.parametrize(
    ("obj", "acceptance"),
    [
        (route(RoutePlan("1")), "PENDING"),
        (judged(), "PENDING"),
        (judged(("Accepted", "True", 3)), "PENDING"),
        (judged(("Accepted", "True", 3), ("ResolvedRefs", "True", 2)), "PENDING"),
        (judged(("Accepted", "Unknown", 3), ("ResolvedRefs", "True", 3)), "PENDING"),
        (judged(("Accepted", "True", 3), ("ResolvedRefs", "True", 3)), "ACCEPTED"),
        (judged(("Accepted", "True", 4), ("ResolvedRefs", "True", 4)), "ACCEPTED"),
        (judged(("Accepted", "True", 3), ("ResolvedRefs", "True", 3), name="other"), "PENDING"),
        (judged(("Accepted", "True", 3), ("ResolvedRefs", "True", 3), sectionName="tls"), "PENDING"),
        (judged(("Accepted", "False", 3)), "REJECTED"),
        (judged(("Accepted", "True", 3), ("ResolvedRefs", "False", 3)), "REJECTED"),
        (judged(("Accepted", "False", 2)), "PENDING"),
    ],
)
def test_acceptance_needs_both_conditions_of_our_parent_at_this_generation(
    obj: dict[str, Any], acceptance: str
) -> None:
    seen = read(obj)
    assert seen.acceptance == acceptance
    assert ("Why: so" in seen.acceptance_reason) == (acceptance == "REJECTED")


def test_a_split_that_is_gone_cannot_be_lowered() -> None:
    broken = route(RoutePlan("1", "2", 50))
    broken["spec"]["rules"][0]["name"] = "mine"
    with pytest.raises(NotTheSameRoute, match="split"):
        lowering(broken, read(route(RoutePlan("1", "2", 50))), RoutePlan("1", "2", 0), "")


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=2),
    st.integers(0, 100),
    st.booleans(),
    st.booleans(),
)
def test_lowering_never_raises_the_candidate_and_ends_at_one_hundred(
    now: list[int], to: int, testers: bool, keep: bool
) -> None:
    current = route(RoutePlan("1", "2", 5, testers=testers))
    for ref, weight in zip(current["spec"]["rules"][0]["backendRefs"], now, strict=True):
        ref["weight"] = weight
    patch = lowering(current, read(current), RoutePlan("1", "2", to, testers=keep), "1.0-me")
    after = apply_patch(current, patch)
    assert sum(weights(after)) == 100
    assert weights(after)[1] <= to
    assert weights(after)[1] * max(1, sum(now)) <= now[1] * 100
    assert len(after["spec"]["rules"]) == (2 if testers and keep else 1)
    assert lowering(after, read(after), RoutePlan("1", "2", to, testers=keep), "1.0-me") == []
    if patch:
        assert after["metadata"]["annotations"][EPOCH] == "1.0-me"
        assert not any("weight" in step["path"] for step in patch if step["op"] == "test")
        assert not any("resourceVersion" in step["path"] for step in patch)


@pytest.mark.parametrize(
    ("theirs", "mine", "newer"),
    [
        ("5.1-b", "5.0-a", True),
        ("6.0-b", "5.9-a", True),
        ("5.10-b", "5.9-a", True),
        ("5.0-b", "5.0-a", False),
        ("5.0-b", "5.1-a", False),
        (None, "5.0-a", False),
        ("garbage", "5.0-a", False),
        ("99999999999999999999.0-x", "5.0-a", False),
        ("5.0-b", "", True),
    ],
)
def test_epochs_are_compared_by_number_and_nonsense_is_never_newer(theirs: str | None, mine: str, newer: bool) -> None:
    assert is_newer(theirs, mine) is newer


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    obj = route(RoutePlan("1", "2", 5))
    turned = {key: obj["spec"][key] for key in reversed(obj["spec"])}
    notes = obj["metadata"]["annotations"]
    assert structure("ns", notes, turned) == structure("ns", notes, obj["spec"])
