"""Git, people and a deletion change the route under a rollout: lowering is done, raising waits, and it is said."""

from __future__ import annotations

import pytest

from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.routers.adopted.mark import MARK
from modelrollout.adapters.routers.forms.marks import EPOCH
from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Unreachable
from tests.unit.borders.cluster import ROLLOUT
from tests.unit.routers.adopted.git import ROUTE, GitRollout, git_route, outside, rule
from tests.unit.runtime.in_memory import copied

STABLE_ALONE = {"digits-v1": 100, "digits-v2": 0}


def reasons(found: GitRollout) -> list[str]:
    return [event.reason for event in found.sink.events]


async def test_a_weight_raised_by_hand_is_taken_back_at_once():
    found = await GitRollout().stepping()
    found.api.objects[ROUTE]["spec"]["rules"][0] = rule(v1=20, v2=80)
    await found.tick(0.1)
    assert found.weights == {"digits-v1": 95, "digits-v2": 5}


async def test_a_rule_that_is_renamed_loses_the_candidate_and_holds_with_the_names_there_are():
    found = await GitRollout().stepping()
    found.git["spec"]["rules"] = [rule("infer-2", v1=95, v2=5)]
    found.reapply()
    await found.tick(0.1)
    assert found.weights == STABLE_ALONE
    assert (found.status["reason"], found.status["weight"]["observed"]) == ("RouteUnfit", 0)
    assert "it has no rule named infer (its rules: infer-2)" in found.status["message"]
    for _ in range(8):
        await found.tick()
    assert found.weights == STABLE_ALONE
    found.spec(traffic={"gateway": {"name": "inference"}, "adopt": {"name": "front", "rule": "infer-2"}})
    await found.until("Stepping", 5)


@pytest.mark.slow
async def test_a_rule_that_is_removed_leaves_the_route_as_git_has_it():
    found = await GitRollout().stepping()
    found.git["spec"]["rules"] = [{"name": "web", "backendRefs": [{"name": "web", "port": 80, "weight": 1}]}]
    found.reapply()
    await found.tick(0.1)
    await found.tick()
    assert found.status["reason"] == "RouteUnfit"
    assert outside(found.api.objects[ROUTE]) == outside(found.git)
    found.git = git_route()
    found.reapply()
    await found.until("Stepping", 5)


async def test_a_rule_without_stable_is_said_and_left():
    found = await GitRollout().stepping()
    found.git["spec"]["rules"] = [rule(v2=5)]
    found.reapply()
    await found.tick(0.1)
    assert found.weights == {"digits-v2": 5}
    assert "no backend digits-v1:8000 for version 1: add it in Git" in found.status["message"]
    assert "no weight here can take requests from it" in found.status["message"]


async def test_a_candidate_without_a_backend_in_git_gets_nothing_and_says_what_to_add():
    found = await GitRollout().serving()
    found.want("3")
    for _ in range(6):
        await found.tick()
    assert (found.status["phase"], found.status["reason"]) == ("Waiting", "RouteUnfit")
    assert "no backend digits-v3:8000 for version 3: add it in Git, with weight 0" in found.status["message"]
    assert found.weights == STABLE_ALONE
    found.git["spec"]["rules"] = [rule(v1=100, v2=0, v3=0)]
    found.reapply()
    await found.until("Stepping")
    assert found.weights["digits-v3"] == 5


async def test_a_route_that_is_deleted_is_never_made_and_goes_on_when_git_makes_it_again():
    found = await GitRollout().stepping()
    del found.api.objects[ROUTE]
    for _ in range(4):
        await found.tick()
    assert ROUTE not in found.api.objects
    assert (found.status["reason"], found.status["weight"]["observed"]) == ("RouteMissing", 0)
    assert "there is no HTTPRoute front: Git makes it" in found.status["message"]
    found.api.put_there(ROUTE, copied(found.git))
    await found.until("Stepping", 5)
    assert found.mark is not None


async def test_before_git_has_made_it_nothing_is_adopted():
    found = GitRollout()
    del found.api.objects[ROUTE]
    await found.tick()
    assert (found.status["phase"], found.status["reason"]) == ("Adopting", "RouteMissing")
    found.api.put_there(ROUTE, git_route(rule(v1=50, v2=50)))
    await found.tick()
    assert (found.status["phase"], found.status["reason"]) == ("Adopting", "RouteUnfit")
    assert "give the one that serves all the weight in Git" in found.status["message"]
    found.api.put_there(ROUTE, git_route())
    await found.until("Serving")


@pytest.mark.slow
async def test_git_that_sets_the_weights_back_every_3_s_is_said_and_never_fought_by_raises():
    found = await GitRollout().stepping()
    raises = 0
    for _ in range(60):  # three minutes
        found.reapply()
        assert found.weights == STABLE_ALONE
        await found.tick(1.5)
        await found.tick(1.5)
        raises += found.weights["digits-v2"] > 0
        assert found.weights["digits-v2"] <= 5
        assert found.status["stable"] == "1"
    assert found.status["reason"] == "RouteContested"
    assert "argocd-controller again and again" in found.status["message"]
    assert "ignoreDifferences" in found.status["message"]
    assert any(one["type"] == "Stalled" for one in found.status["conditions"])
    assert 0 < raises <= 4
    for _ in range(30):
        await found.tick()
    assert found.weights["digits-v2"] >= 5, "Git leaves them alone by now"


@pytest.mark.slow
async def test_git_that_sets_the_weights_back_after_a_promotion_is_corrected_each_time():
    found = await GitRollout().stepping()
    await found.until("Baking", 100)
    await found.until("Serving", 100)
    for _ in range(5):
        found.reapply()
        assert found.weights == STABLE_ALONE
        await found.tick(3)
        assert found.weights == {"digits-v1": 0, "digits-v2": 100}
        assert (found.status["stable"], found.status["phase"]) == ("2", "Serving")
    assert found.status["reason"] == "RouteContested"


@pytest.mark.slow
async def test_a_route_replaced_without_our_mark_does_not_undo_a_promotion():
    found = await GitRollout().stepping()
    await found.until("Baking", 100)
    await found.until("Serving", 100)
    found.restart()
    found.replace()
    await found.tick(1)
    await found.tick(1)
    assert (found.status["stable"], found.status["phase"]) == ("2", "Serving")
    assert found.weights == {"digits-v1": 0, "digits-v2": 100}
    assert found.mark is not None
    assert found.mark.stable == "2"


async def test_a_deletion_hands_the_weights_back_and_leaves_no_mark():
    found = await GitRollout().stepping()
    obj = found.api.objects[ROLLOUT]
    found.api.put_there(ROLLOUT, obj | {"metadata": obj["metadata"] | {"deletionTimestamp": "2023-11-14T22:13:20Z"}})
    await found.tick(1)
    assert found.api.objects[ROLLOUT]["metadata"]["finalizers"] == []
    assert found.weights == STABLE_ALONE
    assert found.notes == {"team": "vision"}
    assert outside(found.api.objects[ROUTE]) == outside(found.git)


@pytest.mark.slow
async def test_a_deletion_without_our_mark_leaves_the_weights_and_says_so():
    found = await GitRollout().stepping()
    before = found.weights
    route, obj = copied(found.api.objects[ROUTE]), found.api.objects[ROLLOUT]
    del route["metadata"]["annotations"][MARK]
    found.api.put_there(ROUTE, route)
    found.api.put_there(ROLLOUT, obj | {"metadata": obj["metadata"] | {"deletionTimestamp": "2023-11-14T22:13:20Z"}})
    await found.tick(1)
    assert found.api.objects[ROLLOUT]["metadata"]["finalizers"] == []
    assert found.weights == before
    await found.tick(1)  # Events are told after their pass
    told = found.sink.events[-1]
    assert (told.reason, told.warning) == ("RouteNotOurs", True)
    assert "front was left as it is: without our mark nobody knows which version is stable" in told.message


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [False, True])
async def test_an_uninstall_fences_first_and_then_leaves_no_mark(restarted: bool):
    found = await GitRollout().stepping()
    old = found.operator.routers
    if restarted:
        found.restart()
    release = RegisteredRouters(found.api, epoch="1.9-release")  # type: ignore[arg-type] # as much of an Api as it needs
    await release.release("vision", "digits", keep_mark=True)
    assert (found.weights, found.notes[EPOCH]) == (STABLE_ALONE, "1.9-release")
    router, route = await old.find("vision", "digits", None)
    assert route is not None
    with pytest.raises(Unreachable, match="newer than this leader's"):
        await router.claim("vision", "digits", route)
    await release.release("vision", "digits")
    assert found.notes == {"team": "vision"}


@pytest.mark.slow
async def test_a_resource_that_adopts_another_route_hands_the_first_one_back():
    found = await GitRollout().stepping()
    second = git_route(name="second")
    there = ROUTE.replace("front", "second")
    found.api.put_there(there, second)
    found.spec(traffic={"gateway": {"name": "inference"}, "adopt": {"name": "second", "rule": "infer"}})
    await found.tick(1)
    assert (found.weights, found.notes) == (STABLE_ALONE, {"team": "vision"})
    for _ in range(10):
        await found.tick()
    assert MARK in found.api.objects[there]["metadata"]["annotations"]


async def test_a_change_of_mind_while_no_operator_ran_is_found_by_the_mark():
    found = await GitRollout().stepping()
    found.spec(traffic={"gateway": {"name": "inference", "hostnames": ["digits.example.com"]}})
    found.restart()
    await found.tick(1)
    assert (found.weights, found.notes) == (STABLE_ALONE, {"team": "vision"})


async def test_an_own_route_is_left_at_stable_when_git_takes_over():
    found = GitRollout()
    found.spec(traffic={"gateway": {"name": "inference", "hostnames": ["digits.example.com"]}})
    own = ROUTE.replace("front", "digits")
    await found.tick()
    found.want("2")
    for _ in range(20):
        await found.tick(5)
        if found.status.get("phase") == "Stepping":
            break
    await found.tick(1)
    refs = found.api.objects[own]["spec"]["rules"][0]["backendRefs"]
    assert refs[1]["weight"] == 5
    found.spec(traffic={"gateway": {"name": "inference"}, "adopt": {"name": "front", "rule": "infer"}})
    await found.tick(0.1)
    assert [ref["weight"] for ref in found.api.objects[own]["spec"]["rules"][0]["backendRefs"]] == [100, 0]


async def test_an_abort_works_with_an_invalid_spec_in_a_new_process():
    found = await GitRollout().stepping()
    found.spec(steps=[])
    found.restart()
    found.candidate_ready = False
    await found.tick(1)
    router, route = await found.operator.routers.find("vision", "digits", None)
    assert route is not None
    assert route.adopted == "HTTPRoute front"
    await router.lower("vision", "digits", route, RoutePlan("1"))
    assert found.weights == STABLE_ALONE
