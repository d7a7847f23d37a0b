"""Whatever stands in a label, an answer, an annotation or a status: what must lower lowers in that very pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.status import Status
from modelrollout.core.evaluation import GateResult, MetricsOutage
from modelrollout.ports import LedgerFailure
from tests.unit.borders.cluster import ROLLOUT, ROUTE, Rollout, at_25_percent
from tests.unit.borders.hostile import ANYTHING, TEXTS, VALUES, nested

LARGEST = 800_000
"""Bytes of a status: etcd takes 1.5 MB."""


def abort(rollout: Rollout, text: str) -> None:
    said = text.encode(errors="replace").decode()  # with half a surrogate pair it would be no JSON, and refused
    rollout.ask(json.dumps({"verb": "abort", "nonce": "n1", "version": "2", "by": said[:20], "why": said[:60]}))


def breach(rollout: Rollout, text: str) -> None:
    message = text * 3
    gates = [
        GateResult(text, text, "FAIL", message, layer=text, observed=text, stable=text, limit=text, evidence=text)
        for _ in range(64)
    ]
    rollout.fail(*gates, warnings=(text,) * 20, message=text, digest=text or None)


def lose(rollout: Rollout, text: str) -> None:
    rollout.lose(text)


def revert(rollout: Rollout, _text: str) -> None:
    rollout.want("1")


TRIGGERS: dict[str, Callable[[Rollout, str], None]] = {
    "abort": abort,
    "breach": breach,
    "lost": lose,
    "revert": revert,
}
MINE = {"name": "inference", "namespace": "vision"}
ENDS = {"abort": "RolledBack", "breach": "RolledBack", "lost": "Waiting", "revert": "Serving"}


def around(rollout: Rollout, text: str, value: Any, trigger: str) -> None:
    """Everything else that a pass reads is hostile too."""
    if trigger != "breach":
        rollout.fail(GateResult(text, text, "CONTINUE", text, layer=text), warnings=(text,), digest=text or None)
    if trigger != "abort":
        rollout.ask(text)
    for path in (ROLLOUT, ROUTE):
        rollout.annotate(path, {"x": text, "y": value})
        meta = rollout.api.objects[path]["metadata"]
        fields = [{"manager": text, "time": text, "fieldsV1": value}, value]
        rollout.change(path, metadata=meta | {"managedFields": fields})
    rollout.change(ROUTE, status={"parents": [{"parentRef": MINE, "conditions": value}, value]})
    shown: dict[str, Any] = {"gates": [value, {"name": text, "type": text, "verdict": "PASS", "message": text}] * 40}
    shown |= {"warnings": [text] * 40, "conditions": [value, {"type": "Ready", "reason": text}], "later": value}
    shown["rollout"] = rollout.status["rollout"] | {"digest": "d2"}
    shown |= {"message": text, "history": [value, *rollout.status["history"]]}
    rollout.change(ROLLOUT, status=rollout.status | shown)


def check_lowered(rollout: Rollout, trigger: str) -> None:
    assert rollout.weight == 0
    assert rollout.api.writes[0] == ("PATCH", ROUTE)
    status = rollout.status
    assert status["phase"] == ENDS[trigger]
    written = json.dumps(status, ensure_ascii=False)
    assert written.isprintable()
    assert len(written.encode()) < LARGEST
    assert Status.model_validate(status).model_dump(mode="json", by_alias=True, exclude_none=True) == status


@pytest.mark.alike(1)
@pytest.mark.parametrize("trigger", TRIGGERS)
@given(text=TEXTS, value=VALUES, data=st.data())
async def test_hostile_input_at_every_border_keeps_no_traffic(trigger: str, text: str, value: Any, data: Any):
    rollout = at_25_percent()
    around(rollout, data.draw(TEXTS), value, trigger)
    TRIGGERS[trigger](rollout, text)
    await rollout.run()
    check_lowered(rollout, trigger)


@pytest.mark.slow
@pytest.mark.alike(1)
@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_megabyte_of_everything_keeps_no_traffic(trigger: str):
    for text in ("A" * 1_000_000, "\x00" * 1_000_000, "\U0001f9d1\u200d\U0001f680" * 300_000, "\ud800" * 1_000_000):
        rollout = at_25_percent()
        around(rollout, text, text, trigger)
        TRIGGERS[trigger](rollout, text)
        await rollout.run()
        check_lowered(rollout, trigger)


@pytest.mark.alike(1)
@pytest.mark.parametrize("trigger", ["abort", "lost"])
@given(spec=ANYTHING)
async def test_a_spec_that_is_nothing_keeps_no_traffic_from_an_abort_or_a_lost_candidate(trigger: str, spec: Any):
    rollout = at_25_percent()
    rollout.change(ROLLOUT, spec=spec)
    TRIGGERS[trigger](rollout, "")
    await rollout.run()
    check_lowered(rollout, trigger)


@given(status=st.one_of(ANYTHING, st.dictionaries(st.sampled_from(sorted(Status.model_fields)), ANYTHING)))
async def test_a_status_that_is_nothing_gives_stable_all_traffic(status: Any):
    rollout = at_25_percent()
    rollout.change(ROLLOUT, status=status)
    await rollout.run()
    assert rollout.weight == 0
    assert rollout.status["stable"] == "1"


@pytest.mark.slow
@given(
    field=st.sampled_from(
        ["startedAt", "evidenceFrom", "waitingSince", "blindSince", "clockStoppedAt", "losses", "doubts"]
    ),
    value=VALUES,
)
async def test_a_fact_that_is_none_keeps_no_traffic_from_an_abort(field: str, value: Any):
    rollout = at_25_percent()
    facts = rollout.status["rollout"] | {field: value}
    rollout.change(ROLLOUT, status=rollout.status | {"rollout": facts})
    abort(rollout, "")
    await rollout.run()
    assert rollout.weight == 0


@pytest.mark.alike(4)
@pytest.mark.parametrize("weight", [101, -5, 10**30, 10**400, math.nan, math.inf, "1e400", [], {}, None])
async def test_a_step_of_no_possible_weight_is_no_step(weight: Any):
    rollout = at_25_percent()
    step = rollout.status["step"] | {"weight": weight}
    rollout.change(ROLLOUT, status=rollout.status | {"step": step})
    await rollout.run()
    assert rollout.weight == 0


@given(text=TEXTS)
def test_what_prometheus_says_is_bounded_where_it_enters(text: str):
    failure = LedgerFailure("PrometheusError", text)
    assert failure.message.isprintable()
    assert len(failure.message) <= 600


@given(text=TEXTS)
async def test_an_outage_of_any_words_holds_and_says_so(text: str):
    rollout = at_25_percent()
    failure = LedgerFailure("PrometheusError", text)
    rollout.watch.outage = MetricsOutage(failure.reason, failure.message, 0.0)
    await rollout.run()
    assert rollout.weight <= 25
    assert rollout.status["phase"] == "Stepping"


@pytest.mark.alike(1)
@pytest.mark.parametrize("trigger", ["abort", "lost"])
@pytest.mark.slow
async def test_a_spec_that_nests_deeper_than_anybody_can_follow_keeps_no_traffic(trigger: str):
    rollout = at_25_percent()
    rollout.change(ROLLOUT, spec=rollout.api.objects[ROLLOUT]["spec"] | {"steps": nested(20_000)})
    TRIGGERS[trigger](rollout, "")
    await rollout.run()
    check_lowered(rollout, trigger)


@pytest.mark.slow
async def test_a_status_that_nests_deeper_than_anybody_can_follow_gives_stable_all_traffic():
    rollout = at_25_percent()
    rollout.change(ROLLOUT, status=rollout.status | {"step": nested(20_000), "message": nested(20_000)})
    await rollout.run()
    assert rollout.weight == 0


FORGED = {
    "the Services of both versions interchanged": {
        "services": '{"1":"digits-v2:8000","2":"digits-v1:8000"}',
    },
    "versions that end in a line break": {
        "services": r'{"1\n":"digits-v1:8000","2\n":"digits-v2:8000"}',
        "stable": "1\n",
        "candidate": "2\n",
    },
    "a version twice": {"services": '{"1":"digits-v1:8000","2":"digits-v1:8000","2":"digits-v2:8000"}'},
    "a thousand versions": {"services": json.dumps({str(n): f"digits-v{n}:8000" for n in range(1, 600)})},
    "no number": {"services": '{"1":"digits-v1:\u0665","2":"digits-v2:1e3"}', "stable": "\u0661"},
}


@pytest.mark.alike(5)
@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_forged_annotation_of_the_route_never_gives_the_candidate_more(what: str, trigger: str):
    rollout = at_25_percent()
    rollout.annotate(ROUTE, {f"modelrollout.dev/{name}": text for name, text in FORGED[what].items()})
    TRIGGERS[trigger](rollout, "")
    had: list[int] = []
    rollout.api.refuse = lambda *_: had.append(rollout.weight)
    await rollout.run()
    assert max(had) <= 25
    assert rollout.weight == 0
