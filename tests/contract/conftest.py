"""Every test of the contract has a route of its own, whose two Services are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.case import V1, V2, Case, make_service

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Member


@pytest.fixture
def case(kind: str, api: Api, namespace: str, member: Member) -> Case:
    for service in (V1, V2):
        make_service(member, namespace, service)
    return Case(kind, api, namespace)
