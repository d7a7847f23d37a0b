"""serving.arm: the label and its value say which version a series is about, and no other Pod's or version's counts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.api.config import PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from tests.unit.analysis.gates.judged import DEAD, ERRORS
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

SERVER = PrometheusServer(url="http://prometheus.test")


def spec(*gates: Any, service: str = "digits-v{version}", **arm: str) -> Spec:
    found = spec_of(*gates).model_dump(by_alias=True, mode="json", exclude_none=True)
    return Spec.model_validate({**found, "serving": {"service": service, "arm": arm}})


def request(*gates: Any, stable: str = "1", candidate: str = "2", **arm: str) -> EvaluationRequest:
    return request_of(spec(*gates, **arm), stable=stable, candidate=candidate, dialect=None)


def arm_of(asked: EvaluationRequest, **labels: str) -> str | None:
    """Which version a series of Triton's is read as, and whether it would have been asked for at all."""
    labels = {"version": "1"} | labels
    found = SeriesReader(asked).channel({"__name__": s.SUCCESS, "model": "digits", **labels})
    text = s.model_selection(asked, SERVER, ()).text
    label = asked.spec.serving.arm_label
    pattern = re.search(rf'{label}=~"((?:[^"\\]|\\.)*)"', text)
    assert pattern is not None, text
    wanted = re.fullmatch(pattern.group(1).replace("\\\\", "\\"), labels.get(label, "")) is not None
    assert found is None or wanted, "what is read must be asked for"
    return None if found is None else found.arm


@pytest.mark.parametrize(
    ("arm", "label", "known"),
    [
        ({"label": "service"}, "service", {"digits-v1": "stable", "digits-v2": "candidate"}),
        ({"label": "service", "value": "{service}-metrics"}, "service", {"digits-v1-metrics": "stable"}),
        ({"label": "revision", "value": "v{version}"}, "revision", {"v1": "stable", "v2": "candidate"}),
        ({"label": "job", "value": "vision/digits@v{version}"}, "job", {"vision/digits@v2": "candidate"}),
        ({"label": "pod", "value": "digits-v{version}-*"}, "pod", {"digits-v1-a-b-c": "stable"}),
        ({"label": "pod", "value": "*-{version}"}, "pod", {"a-1": "stable", "1-2": "candidate"}),
        (
            {"label": "pod"},
            "pod",
            {"digits-v1-7d9f8b6c5-x2x1z": "stable", "digits-v2-0": "candidate", "digits-v2-x2x1z": "candidate"},
        ),
    ],
)
def test_the_label_says_which_version_it_is(arm: dict[str, str], label: str, known: dict[str, str]):
    asked = request(**arm)
    assert {value: arm_of(asked, **{label: value}) for value in known} == known


@pytest.mark.parametrize(
    "pod",
    ["digits-v10-7d9f8b6c5-x2x1z", "digits-v1-gpu-7d9f8b6c5-x2x1z", "digits-v1", "a-digits-v1-0", "digits-v1-", ""],
)
def test_somebody_elses_pod_is_neither_version(pod: str):
    assert arm_of(request(label="pod"), pod=pod) is None


def test_by_default_it_is_tritons_version():
    asked = request_of(spec_of(), dialect=None)
    assert (arm_of(asked), arm_of(asked, version="2"), arm_of(asked, version="12")) == ("stable", "candidate", None)


VERSIONS = st.integers(1, 112).map(str)
TEXT = st.text(st.sampled_from("ab-1._:/@"), max_size=6)
STAR = st.sampled_from(["", "*"])


@given(VERSIONS, VERSIONS, TEXT, TEXT, STAR, STAR, TEXT)
@example("1", "10", "v", "", "", "*", "")
@example("1", "11", "", "-a", "*", "", "")
@example("1", "2", "-", "-", "*", "*", "a-1-a-2-a")
def test_no_value_is_ever_both_versions(one: str, other: str, before: str, after: str, head: str, tail: str, rest: str):
    """Whatever template is accepted."""
    value = f"{head}{before}{{version}}{after}{tail}"
    try:
        asked = request(stable=one, candidate=other, label="pod", value=value)
    except ValueError:
        return
    for version, arm in ((one, "stable"), (other, "candidate")):
        pod = value.replace("{version}", version).replace("*", rest)
        assert arm_of(asked, pod=pod) == (arm if one != other else None)


async def test_two_servers_that_both_report_version_1_are_judged_apart():
    recordings = []
    for service, dead, since in (("digits-v1", 5, -1800.0), ("digits-v2", 70, 0.0)):
        labels: dict[str, Any] = {"model": "digits", "version": "1", "service": service}
        found = Recording(scrapes(900), service)
        found.growing(s.SUCCESS, 20, since=START + since, **labels).growing(s.FAILURE, 0, reason="OTHER", **labels)
        for metric, growth in ((s.WINDOWS, 1), (s.WINDOW_NEURONS, 100), (s.WINDOW_DEAD, dead)):
            found.growing(metric, growth, since=START + since, layer="h1", **labels)
        found.growing(s.WINDOW_DEAD_SQUARED, dead**2, since=START + since, layer="h1", **labels)
        found.reading(s.WINDOW_SIZE, 200, since=START + since, layer="h1", **labels)
        recordings.append(found)
    told = await look(request(ERRORS, DEAD, label="service"), 900, *recordings)
    verdicts = {gate.name: gate.verdict for gate in told.gates}
    assert verdicts == {"errors": "PASS", "dead": "FAIL"}, told.gates


def test_an_edited_arm_restarts_the_evidence_and_none_is_no_edit():
    assert spec(ERRORS, label="pod").gates_digest() != spec(ERRORS, label="service").gates_digest()
    plain = spec_of(ERRORS)
    assert plain.gates_digest() != spec(ERRORS, label="service").gates_digest()


@pytest.mark.parametrize(
    ("serving", "asked"),
    [
        ({}, "2"),
        ({"arm": {"label": "pod"}}, None),
        ({"arm": {"label": "version"}}, "2"),
        ({"arm": {"label": "pod"}, "versionPath": "1"}, "1"),
        ({"versionPath": "v{version}"}, "v2"),
    ],
)
def test_readiness_is_asked_of_the_version_as_the_server_calls_it(serving: dict[str, Any], asked: str | None):
    found = spec_of().model_dump(by_alias=True, mode="json", exclude_none=True)
    made = Spec.model_validate({**found, "serving": {"service": "digits-v{version}", **serving}})
    assert made.serving.asked_version("2") == asked
