"""A route that the gateway's metrics cannot tell from another is named at once; a route that was changed is not."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.dialects.dialect import OwnSplit
from modelrollout.dialects.traefik import TRAEFIK
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    HASH,
    START,
    Recording,
    backend,
    look,
    request_of,
    scrapes,
    spec_of,
)

OTHER = "f" * 20


def counted(until: float, **other: tuple[str, float, float]) -> Recording:
    """Both versions under our route; `other`: (label, from, until) of one more that counts the candidate."""
    times = scrapes(until)
    found = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, since in (("1", -np.inf), ("2", START)):
        found.growing(GATEWAY_REQUESTS, 20, since=since, code="200", service=backend(version))
    for label, first, last in other.values():
        growth = np.where((times >= START + first) & (times < START + last), 10, 0)
        found.growing(GATEWAY_REQUESTS, growth, since=START + first - 10, code="200", service=label)
    return found


async def warned(at: float, recording: Recording) -> list[str]:
    found = await look(request_of(spec_of(), name="digits"), at, recording)
    return [text for text in found.warnings if "dots and dashes" in text]


ALIKE = backend("2").replace(HASH, OTHER)


@pytest.mark.parametrize("label", [ALIKE, ALIKE.replace("-1@", "-0@")])
async def test_a_route_written_alike_is_named_within_a_minute(label):
    (text,) = await warned(61, counted(61, other=(label, 0, 61)))
    assert HASH in text
    assert OTHER in text
    assert len(text) < 300


@pytest.mark.slow
async def test_what_counts_two_routes_proves_nothing_and_a_failure_still_fails():
    quiet = await look(request_of(spec_of(), name="digits"), 300, counted(300))
    found = await look(request_of(spec_of(), name="digits"), 300, counted(300, other=(ALIKE, 0, 300)))
    assert quiet.halt is None
    assert found.halt == "SeriesAmbiguous"
    assert OTHER in found.message
    forged = counted(300, other=(ALIKE, 0, 300))
    forged.growing(GATEWAY_REQUESTS, 10, since=START, code="503", service=backend("2"))
    failing = await look(request_of(spec_of(), name="digits"), 300, forged)
    assert "FAIL" in {gate.verdict for gate in failing.gates}


@pytest.mark.parametrize(
    "label",
    [
        backend("2").replace("-ep-web-", "-ep-websecure-"),
        backend("2").replace("-digits-gw", "-digits-eu-gw"),
        backend("2").replace(HASH, OTHER).replace("-ep-web-", "-ep-other-"),
    ],
)
async def test_another_entry_point_or_route_is_not(label):
    assert await warned(300, counted(300, other=(label, 0, 300))) == []


async def test_a_route_that_was_changed_is_not():
    assert await warned(600, counted(600, other=(ALIKE, 0, 20))) == []


async def test_nor_is_one_without_requests():
    assert await warned(600, counted(600, other=(ALIKE, 0, 0))) == []


async def test_nor_are_other_paths_of_our_own_split():
    own = OwnSplit("vision", "digits", "infra", "inference", ("a.b",), paths=("/v2/models/digits/ready",))
    (key,) = TRAEFIK.keys_of(backend("2"), own)
    assert key != HASH
    assert await warned(300, counted(300, other=(backend("2").replace(HASH, key), 0, 300))) == []
