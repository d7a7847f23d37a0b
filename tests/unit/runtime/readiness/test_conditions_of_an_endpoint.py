"""Every combination of an endpoint's conditions ready, serving and terminating, alone and beside others.

Kubernetes: an absent `ready` is to be taken as true, an absent `serving` as `ready`, an absent `terminating` as false.
`serving` is what `ready` was before the Pod was asked to end; a Service with publishNotReadyAddresses has `ready` true
whatever the Pod says.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from modelrollout.adapters.triton.addresses import addresses
from modelrollout.adapters.triton.slices import _told

TOLD = (None, True, False)
ADDRESS, OTHER = "10.0.0.1:8000", "10.0.0.2:8000"


def listed(address: str, **conditions: bool | None) -> dict[str, Any]:
    told = {name: value for name, value in conditions.items() if value is not None}
    return {"addresses": [address.partition(":")[0]], "conditions": told}


def found(*endpoints: dict[str, Any], watched: bool) -> tuple[list[str], list[str]]:
    """(what should answer, what is not ready), as the slices are read or watched."""
    piece = {"addressType": "IPv4", "ports": [{"name": "http", "port": 8000}], "endpoints": list(endpoints)}
    told = addresses([_told(piece) if watched else piece], "http", "IPv4", lambda *_: True)
    assert not told.refused
    return list(told.asked), list(told.unready)


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(("ready", "serving", "terminating"), list(product(TOLD, TOLD, TOLD)))
def test_an_endpoint_alone(ready: bool | None, serving: bool | None, terminating: bool | None, watched: bool):
    one = listed(ADDRESS, ready=ready, serving=serving, terminating=terminating)
    expected: tuple[list[str], list[str]] = ([ADDRESS], [])
    if terminating:
        expected = [], []  # it ends, serving or not: the version has no address that lasts
    elif ready is False:
        expected = [], [ADDRESS]
    assert found(one, watched=watched) == expected


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("serving", TOLD)
def test_a_pod_that_ends_while_it_serves_keeps_no_version_ready(serving: bool | None, watched: bool):
    ends = listed(ADDRESS, ready=False, serving=serving, terminating=True)
    assert found(ends, watched=watched) == ([], [])
    assert found(ends, listed(OTHER, ready=False, serving=False), watched=watched) == ([], [OTHER])
    assert found(ends, listed(OTHER, ready=True), watched=watched) == ([OTHER], [])


@pytest.mark.parametrize("watched", [False, True])
def test_without_any_conditions_an_endpoint_is_ready(watched: bool):
    nothing: tuple[dict[str, Any], ...] = ({}, {"conditions": None}, {"conditions": {}})
    for conditions in nothing:
        assert found({"addresses": ["10.0.0.1"], **conditions}, watched=watched) == ([ADDRESS], [])


@pytest.mark.parametrize("watched", [False, True])
def test_an_address_that_is_published_before_it_is_ready_is_asked_itself(watched: bool):
    early = listed(ADDRESS, ready=True, serving=False, terminating=False)  # publishNotReadyAddresses
    assert found(early, watched=watched) == ([ADDRESS], [])
