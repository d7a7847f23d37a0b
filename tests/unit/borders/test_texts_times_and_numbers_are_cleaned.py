"""The rules of cleaning themselves, and that each reader of something foreign keeps to them and never raises."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.adapters.kubernetes.client import _judge
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_of
from modelrollout.adapters.kubernetes.events import LONGEST_NOTE, KubernetesEvents
from modelrollout.adapters.routers.lowering import lowering
from modelrollout.adapters.routers.reading import UNREADABLE, read
from modelrollout.adapters.triton.addresses import Addresses, addresses, is_pod_of
from modelrollout.api.borders.cleaning import clean, whole_number
from modelrollout.api.problems import read_spec
from modelrollout.api.timestamps import LAST, _instant, format_timestamp, parse_timestamp
from modelrollout.core import reasons
from modelrollout.core.observation import Command, Event, MalformedCommand, RoutePlan
from modelrollout.ports import Conflict, Subject, Unreachable
from tests.unit.borders.cluster import ROUTE, at_25_percent
from tests.unit.borders.hostile import ANYTHING, DATES, NUMBERS, PIECES, TEXTS, VALUES, nested


@given(text=TEXTS, longest=st.integers(9, 300))
@pytest.mark.slow
def test_a_clean_text_is_printable_short_and_stays_as_it_is(text: str, longest: int):
    found = clean(text, longest)
    assert found.isprintable()
    assert len(found) <= longest
    assert clean(found, longest) == found
    assert found.encode().decode() == found


@pytest.mark.parametrize("text", ["latency: 61 ms vs 40 ms", "12 %", "größer", "層 7", "a — b …", ""])
def test_an_ordinary_text_stays_as_it_is(text: str):
    assert clean(text, 40) == text


@given(value=ANYTHING)
def test_what_should_have_been_a_text_becomes_one(value: Any):
    assert len(clean(value, 80)) <= 80


@given(value=st.one_of(ANYTHING, NUMBERS))
@example(value="1e400")
@example(value="9" * 5000)
def test_a_whole_number_is_within_its_ends_or_the_default(value: Any):
    found = whole_number(value, 0, 100, 7)
    assert isinstance(found, int)
    assert 0 <= found <= 100


@pytest.mark.parametrize(
    ("value", "number"), [(5, 5), ("5", 5), (1e9, 100), (-3, 0), (True, 7), (math.nan, 7), ("x", 7)]
)
def test_what_counts_as_a_number(value: Any, number: int):
    assert whole_number(value, 0, 100, 7) == number


@given(value=st.one_of(VALUES, DATES, NUMBERS))
@example(value=1e18)
@example(value=-1)
@example(value=10**400)
@example(value="0001-01-01T00:00:00")
def test_a_time_is_one_that_can_be_written_or_is_refused(value: Any):
    try:
        seconds = parse_timestamp(value)
    except ValueError:
        return
    assert 0 <= seconds <= LAST
    assert parse_timestamp(format_timestamp(seconds)) == pytest.approx(seconds, abs=0.001)


def test_a_time_without_a_zone_is_utc_wherever_the_process_runs(monkeypatch: pytest.MonkeyPatch):
    text = "2026-11-26T20:00:00.125"
    try:
        for zone in ("UTC", "Asia/Tokyo"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            _instant.cache_clear()
            assert parse_timestamp(text) == parse_timestamp(f"{text}Z")
    finally:
        monkeypatch.undo()
        time.tzset()


@given(value=st.one_of(st.text(), *map(st.just, PIECES), TEXTS, VALUES))
@example(value="\ud800")
@example(value="[" * 2000)
@example(value='{"verb":"abort","nonce":"n","version":"2","step":' + "9" * 1900 + "}")
def test_an_annotation_is_a_command_or_malformed_and_never_raises(value: Any):
    found = command_of({"metadata": {"annotations": {COMMAND: value}}})
    assert found is None or isinstance(found, Command | MalformedCommand)
    if isinstance(found, MalformedCommand):
        assert clean(found.message, 600) == found.message


@pytest.mark.parametrize("field", ["by", "why"])
def test_who_asks_and_why_are_printable(field: str):
    text = json.dumps({"verb": "abort", "nonce": "n", "version": "2", field: "a\x1b[2Jb\u202e"})
    found = command_of({"metadata": {"annotations": {COMMAND: text}}})
    assert isinstance(found, Command)
    assert getattr(found, field) == "a�[2Jb�"


@given(raw=st.one_of(st.binary(), st.just(b"[" * 100_000), st.just(b'{"message":"' + b"A" * 1_000_000 + b'"}'), VALUES))
@example(raw={"message": ["x"], "details": "x", "reason": "NotFound"})
@pytest.mark.parametrize("status", [200, 404, 409, 422, 429, 500])
def test_what_an_api_server_answers_is_an_object_or_a_typed_failure(status: int, raw: Any):
    body = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    try:
        said = str(_judge("GET", "/path", status, body, "²"))[:0]
    except (Conflict, Unreachable) as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) <= 600


@given(name=st.sampled_from(["metadata", "spec", "status"]), value=ANYTHING)
@example(name="metadata", value={"annotations": {"modelrollout.dev/services": "[" * 10_000}})
@example(name="spec", value={"rules": [{"backendRefs": [{"name": "x", "weight": math.nan, "port": "9" * 5000}]}]})
def test_a_route_of_any_shape_is_read(name: str, value: Any):
    route = at_25_percent().api.objects[ROUTE] | {name: value}
    found = read(route)
    assert all(backend.weight >= 0 for backend in found.backends)


@pytest.mark.slow
def test_a_route_that_nests_deeper_than_anybody_can_follow_is_read_and_never_like_a_plan():
    route = at_25_percent().api.objects[ROUTE]
    route["spec"]["rules"][0]["matches"] = [nested(20_000)]
    assert read(route).structure == UNREADABLE
    assert read(route).stable == "1"


@given(weights=st.lists(st.one_of(NUMBERS, st.none(), TEXTS), min_size=2, max_size=2))
def test_a_route_with_any_weights_is_lowered(weights: list[Any]):
    route = at_25_percent().api.objects[ROUTE]
    for ref, weight in zip(route["spec"]["rules"][0]["backendRefs"], weights, strict=True):
        ref["weight"] = weight
    observed = read(route)
    if observed.stable is not None:
        patch = lowering(route, observed, RoutePlan("1"), "")
        assert [op["value"] for op in patch if op["path"].endswith("weight")] in ([100, 0], [100], [0], [])


@given(value=ANYTHING)
def test_a_spec_of_any_shape_is_read_or_refused_in_a_sentence(value: Any):
    spec, problem = read_spec({"spec": value})
    assert spec is not None or (problem and len(problem) < 5000)


ADDRESSES = [
    "169.254.169.254",
    "fe80::1",
    "0.0.0.0",
    "224.0.0.1",
    "metadata.google.internal",
    "::1%eth0",
    "::ffff:169.254.169.254",
    2130706433,
    None,
]


def anybody(_endpoint: dict[str, Any], _address: str) -> bool:
    return True


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_addresses_that_a_pod_can_have_are_asked(address: Any):
    ports = [{"name": "", "port": 8000}]
    for kind in ("IPv4", "IPv6", "FQDN"):
        slices = [{"addressType": kind, "ports": ports, "endpoints": [{"addresses": [address]}]}]
        assert addresses(slices, "", None, anybody) == Addresses()


def test_a_hosts_name_leads_nowhere_whatever_it_resolves_to_and_pods_are_asked():
    ports = [{"name": "", "port": 8000}]
    host = {"addressType": "FQDN", "ports": ports, "endpoints": [{"addresses": ["10.0.0.1"]}]}
    pods = {"addressType": "IPv6", "ports": ports, "endpoints": [{"addresses": ["2001:db8::1"]}]}
    assert addresses([host, pods], "", "IPv4", anybody) == Addresses(asked=("[2001:db8::1]:8000",))


@given(endpoints=ANYTHING, ports=ANYTHING)
def test_slices_of_any_shape_are_read(endpoints: Any, ports: Any):
    slices = [{"addressType": "IPv4", "ports": ports, "endpoints": endpoints}]
    found = addresses(slices, "", None, partial(is_pod_of, "ns"))
    assert not set(found.asked) & {*found.unready, *found.refused}
    assert not found.asked, "none of them names a Pod"


@given(text=TEXTS)
def test_an_event_is_printable_and_fits(text: str):
    event = Event(reasons.ABORTED, text, warning=True)
    body = KubernetesEvents(None)._body(Subject("ns", "name"), event)  # type: ignore[arg-type]  # nothing is sent
    assert body["note"].isprintable()
    assert len(body["note"].encode()) <= LONGEST_NOTE
