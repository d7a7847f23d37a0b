"""One lab for a whole test session, started when the first test asks for it; every test gets a namespace of its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from modelrollout.connect import Api, connect
from tests.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.lab.lab import Member

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture(scope="session")
def member(lab: Lab) -> Member:
    return lab.member


@pytest.fixture
def namespace(member: Member) -> str:
    name = f"test-{next(_numbers)}"
    member.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest_asyncio.fixture
async def api(lab: Lab) -> AsyncIterator[Api]:
    async with await connect(str(lab.site.kubeconfig)) as opened:
        yield opened
