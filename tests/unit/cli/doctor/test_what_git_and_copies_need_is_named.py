"""What doctor says of a route that Git owns, and of copies of requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.api.spec import Spec
from modelrollout.cli.doctor.checks.routing.git import adopted, copies
from modelrollout.cli.doctor.checks.routing.route import route
from modelrollout.cli.doctor.facts import Read, Subject
from modelrollout.cli.doctor.finding import Reporter
from modelrollout.core.observation import ObservedRoute
from tests.unit.cli.doctor.patient import Patient
from tests.unit.rollout.world import manifest

SAY = Reporter("route", "route front")
FIT = ObservedRoute("1", (), "7", adopted="HTTPRoute front")
BOTH = frozenset({"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"})


@pytest.mark.parametrize(
    ("seen", "level", "says"),
    [
        (FIT, "OK", "carries our mark"),
        (replace(FIT, stable=None, serving="1"), "OK", "carries no mark yet"),
        (replace(FIT, stable=None), "Problem", "gives several versions requests"),
        (replace(FIT, unfit="it has no rule named infer"), "Problem", "no rule named infer"),
        (replace(FIT, foreign="adopted by ModelRollout a/b already"), "Problem", "a/b already"),
    ],
)
def test_a_route_of_gits_is_judged(seen: ObservedRoute, level: str, says: str):
    (found,) = adopted(seen, SAY)
    assert (found.level, says in found.message) == (level, True)


@pytest.mark.parametrize(
    ("features", "level", "says"),
    [
        (BOTH, "OK", "lists what copies of 10 % need"),
        (None, "Warning", "cannot be read"),
        (frozenset({"HTTPRouteRequestMirror"}), "Problem", "does not list HTTPRouteRequestPercentageMirror"),
    ],
)
def test_whether_copies_can_be_made_is_said(features: frozenset[str] | None, level: str, says: str):
    spec = Spec.model_validate(manifest(steps=[{"mirror": 10, "hold": "1m"}, *manifest()["steps"]]))
    patient = Patient()
    (found,) = copies(replace(patient.cluster, features=features), replace(patient.subject, spec=spec))
    assert (found.level, says in found.message) == (level, True)
    assert list(copies(patient.cluster, patient.subject)) == []


def test_a_route_that_git_has_not_made_is_a_problem_by_its_own_name():
    traffic = {"gateway": {"name": "inference", "namespace": "infra"}, "adopt": {"name": "front"}}
    patient = Patient()
    subject: Subject = replace(patient.subject, spec=Spec.model_validate(manifest(traffic=traffic)))
    found = list(route(replace(patient.cluster, route=None, raw_route=Read()), subject))
    assert any(one.level == "Problem" and "no HTTPRoute front" in one.message for one in found)
