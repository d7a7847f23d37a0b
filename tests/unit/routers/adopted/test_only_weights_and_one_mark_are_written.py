"""Of a route that Git owns the weights of one rule and one mark are written, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.adapters.routers.adopted.mark import MARK, Adoption, read_mark
from modelrollout.adapters.routers.adopted.reading import read_adopted
from modelrollout.adapters.routers.forms.marks import EPOCH, RESOURCE, STABLE
from tests.unit.borders.cluster import ROLLOUT
from tests.unit.routers.adopted.git import ROUTE, ROUTES, GitApi, GitRollout, git_route, outside, rule, spec_of

MINE = Adoption("vision/digits", "front", "infer", "digits-v{version}", 8000, ("vision", "inference", None))
FOUND = Adoption("vision/digits", "front", "", "digits-v{version}", 8000)


@pytest.mark.slow
async def test_a_whole_promotion_changes_nothing_but_weights_and_the_mark():
    found = await GitRollout().stepping()
    found.git["spec"]["rules"].append(rule("testers", v2=1))
    found.reapply()
    await found.until("Serving")
    await found.tick(1)
    assert (found.weights, found.status["stable"]) == ({"digits-v1": 0, "digits-v2": 100}, "2")
    assert outside(found.api.objects[ROUTE]) == outside(found.git)
    assert [path for path in found.api.objects if path.startswith(ROUTES)] == [ROUTE]


async def test_every_write_of_the_route_is_a_json_patch_that_tests_what_it_read():
    found = await GitRollout().stepping()
    found.candidate_ready = False
    await found.tick()
    assert found.weights == {"digits-v1": 100, "digits-v2": 0}
    written = [body for path, body in found.api.writes if path == ROUTE]
    assert len(written) == 3  # the mark, the raise, the lowering
    for body in written:
        assert isinstance(body, list)
        assert any(one["op"] == "test" and one["path"] == "/metadata/uid" for one in body)
    _, raised, lowered = written
    assert raised[0] == {"op": "replace", "path": "/metadata/resourceVersion", "value": raised[0]["value"]}
    assert {"op": "test", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0} in raised
    assert {"op": "test", "path": "/spec/rules/0/name", "value": "infer"} in lowered
    assert not any(one["path"].endswith(("/weight", "resourceVersion")) for one in lowered if one["op"] != "add")


async def test_at_rest_the_weights_stay_the_numbers_that_git_wrote():
    found = GitRollout()
    found.git = git_route(rule(v1=1, v2=0))
    found.api.put_there(ROUTE, found.git)
    await found.serving()
    assert found.weights == {"digits-v1": 1, "digits-v2": 0}
    found.want("2")
    await found.until("Stepping", 5)
    assert found.weights == {"digits-v1": 95, "digits-v2": 5}


async def test_a_backend_of_an_older_version_stays_at_0():
    found = GitRollout()
    found.git = git_route(rule(v3=0, v1=100, v2=0))
    found.api.put_there(ROUTE, found.git)
    await found.stepping()
    assert found.weights == {"digits-v3": 0, "digits-v1": 95, "digits-v2": 5}


def read_of(*rules: dict[str, Any], adoption: Adoption = MINE, notes: dict[str, str] | None = None) -> Any:
    return read_adopted(git_route(*rules, **(notes or {})), adoption)


def test_the_only_rule_that_leads_to_the_model_needs_no_name():
    other = {"name": "web", "backendRefs": [{"name": "web", "port": 80}]}
    seen = read_of(other, rule(v1=100, v2=0), adoption=FOUND)
    assert (seen.unfit, seen.serving, seen.git.rule) == ("", "1", 1)
    assert seen.git.backends == (("1", 0), ("2", 1))


UNFIT: dict[str, tuple[list[dict[str, Any]], Adoption, str]] = {
    "a rule that is not there": ([rule("split", v1=1)], MINE, "it has no rule named infer (its rules: split)"),
    "several rules and no name": ([rule("a", v1=1), rule("b", v1=1)], FOUND, "(a, b): name one of them"),
    "no rule with the model": ([{"name": "web", "backendRefs": []}], FOUND, "no rule of it leads to a Service like"),
    "the rule without the model": ([{"name": "infer", "backendRefs": []}], MINE, "leads to no Service like digits-v{v"),
    "a Service twice": ([rule(v1=1) | {"backendRefs": rule(v1=1)["backendRefs"] * 2}], MINE, "the same Service twice"),
    "weight for something else": (
        [rule(v1=80, v2=0) | {"backendRefs": [*rule(v1=80, v2=0)["backendRefs"], {"name": "old", "weight": 20}]}],
        MINE,
        "also leads to old (weight 20)",
    ),
    "another port": (
        [rule(v1=1) | {"backendRefs": [{"name": "digits-v1", "port": 9000}]}],
        MINE,
        "digits-v1:9000, and spec.serving.port is 8000",
    ),
    "another Gateway": (
        [rule(v1=1)],
        Adoption("vision/digits", "front", "infer", "digits-v{version}", 8000, ("infra", "inference", "web")),
        "not attached to Gateway infra/inference (listener web)",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_cannot_be_split_says_why_and_what_to_do(what: str):
    rules, adoption, says = UNFIT[what]
    assert says in read_of(*rules, adoption=adoption).unfit


def test_a_service_of_another_namespace_or_kind_is_no_version():
    there = rule(v1=0) | {"backendRefs": [{"name": "digits-v1", "port": 8000, "namespace": "other"}]}
    assert "leads to no Service like" in read_of(there).unfit


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "1", '{"resource":"vision/digits"}', '{"resource":7,"rule":[],"service":{}}', "[" * 3000]
)
def test_an_annotation_that_is_no_mark_marks_nothing(value: str):
    assert read_mark(value) is None
    assert read_of(rule(v1=1), notes={MARK: value}).foreign == ""


def test_a_route_that_another_resource_has_is_foreign():
    theirs = Adoption("vision/other", "front", "", "digits-v{version}", 8000).mark("1").written()
    assert "adopted by ModelRollout vision/other already" in read_of(rule(v1=1), notes={MARK: theirs}).foreign
    own = {RESOURCE: "vision/other", STABLE: "1"}
    assert "the own route of ModelRollout vision/other" in read_of(rule(v1=1), notes=own).foreign


@pytest.mark.parametrize(
    ("template", "service", "version"),
    [
        ("digits-v{version}", "digits-v12", "12"),
        ("digits-v{version}", "digits-v", ""),
        ("digits-v{version}", "digits-v0", ""),
        ("digits-v{version}-gpu", "digits-v3-gpu", "3"),
        ("digits-v{version}-gpu", "digits-v3", ""),
        ("a{version}a", "a", ""),
    ],
)
def test_a_services_name_says_its_version(template: str, service: str, version: str):
    assert Adoption("a/b", "r", "", template, 8000).version_of(service) == version


async def test_a_second_resource_is_refused_and_the_first_goes_on():
    found = await GitRollout().stepping()
    before = found.api.objects[ROUTE]
    other = GitRollout(api=GitApi(objects={ROUTE: before}, version=900))
    meta = {"name": "digits", "namespace": "vision", "uid": "v", "generation": 1, "finalizers": []}
    other.api.put_there(ROLLOUT, {"metadata": meta, "spec": spec_of()})
    taken = dict(before["metadata"]["annotations"])
    taken[MARK] = taken[MARK].replace("vision/digits", "vision/first")
    other.api.put_there(ROUTE, before | {"metadata": before["metadata"] | {"annotations": taken}})
    stands = other.api.objects[ROUTE]
    for _ in range(3):
        await other.tick()
    assert other.status["reason"] == "RouteNotOurs"
    assert "adopted by ModelRollout vision/first already" in other.status["message"]
    assert other.api.objects[ROUTE] == stands
    assert EPOCH in stands["metadata"]["annotations"]
