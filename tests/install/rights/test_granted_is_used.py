"""The operator's rights are those that the end-to-end tests were seen to use: no more, and no fewer."""

from __future__ import annotations

import json

import pytest

from tests.install.rights.granted import granted
from tests.install.rights.used import Right, Used, read, render, used_in

GATEWAY = "gateway.networking.k8s.io"
UNUSED: dict[Right, str] = {
    Right("coordination.k8s.io", "leases", "delete"): "only a Lease whose count is unusable is made again",
}
"""Granted, and not seen in the tests: each with the reason for which it stays."""
REFUSED: dict[Right, str] = {}
"""Asked for without the right in the tests: each with the reason for which that is meant."""


def test_nothing_is_granted_that_was_not_used():
    idle = granted({}) - read().used - set(UNUSED)
    assert not idle, f"granted and never used: {sorted(map(str, idle))}; take it out of the chart, or say why it stays"


def test_nothing_was_used_that_is_not_granted():
    more = read().used - granted({})
    assert not more, f"used and not granted by the chart: {sorted(map(str, more))}; `make rights` records anew"


def test_nothing_was_asked_for_in_vain():
    vain = read().refused - set(REFUSED)
    assert not vain, f"asked for without the right: {sorted(map(str, vain))}"


def test_no_exception_is_out_of_date():
    assert set(UNUSED) <= granted({}) - read().used
    assert set(REFUSED) <= read().refused


def test_one_namespace_and_all_namespaces_have_the_same_rights():
    assert granted({"watch": {"namespaces": ["vision"]}}) == granted({})


def test_config_maps_secrets_and_pods_are_nowhere_in_them():
    resources = {right.resource for right in granted({})}
    assert not resources & {"configmaps", "secrets", "pods", "namespaces", "customresourcedefinitions"}


def event(user: str, verb: str = "get", decision: str = "allow", **about: str) -> str:
    return json.dumps(
        {
            "user": {"username": user},
            "verb": verb,
            "annotations": {"authorization.k8s.io/decision": decision},
            "objectRef": {"resource": "modelrollouts", "apiGroup": "modelrollout.dev", **about},
        }
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (event("system:serviceaccount:a:mro-a-modelrollout"), ({"get modelrollouts.modelrollout.dev"}, set())),
        (
            event("system:serviceaccount:a:mro-a-modelrollout", "update", subresource="status"),
            ({"update modelrollouts/status.modelrollout.dev"}, set()),
        ),
        (
            event("system:serviceaccount:a:mro-a-modelrollout", "patch", "forbid"),
            (set(), {"patch modelrollouts.modelrollout.dev"}),
        ),
        (event("system:serviceaccount:a:person"), (set(), set())),
        (event("lab-admin-modelrollout"), (set(), set())),
    ],
)
def test_the_record_tells_what_the_operator_was_given_and_what_refused(line: str, expected: tuple[set[str], set[str]]):
    found = used_in([line])
    assert ({str(one) for one in found.used}, {str(one) for one in found.refused}) == expected


def test_what_is_written_is_what_is_read():
    assert render(read()) == render(Used(*read()))
    assert Right("", "services", "get") in read().used, "the core group has no name"
