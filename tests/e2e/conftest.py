"""Every story has a namespace, model servers, a client and an operator of its own; the lab is shared."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Member


@pytest.fixture
def stage(member: Member, namespace: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(member, namespace, stack)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A failed story tells what it saw and what its operator said."""
    outcome = yield
    report = outcome.get_result()
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.when == "call" and report.failed and stage is not None:
        for story in stage.stories:
            report.sections.append(("the story", story.told()))
            report.sections.append(("the operator's log", story.operator.log()[-4000:]))
