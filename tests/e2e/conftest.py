"""Every test has its own namespace, model servers, client and operator; the lab is shared."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.rollouts import Rollouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Member


@pytest.fixture
def rollouts(member: Member, namespace: str, request: pytest.FixtureRequest) -> Iterator[Rollouts]:
    with ExitStack() as stack:
        yield Rollouts(member, namespace, stack)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A failed test shows what it saw and what its operator said."""
    outcome = yield
    report = outcome.get_result()
    rollouts = getattr(item, "funcargs", {}).get("rollouts")
    if report.when == "call" and report.failed and rollouts is not None:
        for live in rollouts.started:
            report.sections.append(("the rollout", live.report()))
            report.sections.append(("the operator's log", live.operator.log()[-4000:]))
