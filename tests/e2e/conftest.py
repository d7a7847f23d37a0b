"""Every story has a namespace, model servers, a client and an operator of its own; the lab is shared."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.operator import operator
from tests.e2e.support.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Member

RATE = 20.0
"""Requests/s; they are most of what a story costs, and stories share two cores."""
BRISK = 30.0
"""Where verdicts or failed requests are the point."""


class Stage:
    """Sets a story up; everything it starts ends with the test."""

    def __init__(self, member: Member, namespace: str, stack: ExitStack) -> None:
        self.member, self.namespace, self.stack = member, namespace, stack
        self.stories: list[Story] = []

    def story(
        self,
        *versions: int,
        rate: float = RATE,
        own_gateway: bool = False,
        operate: dict[str, Any] | None = None,
        **serve: Any,
    ) -> Story:
        """Model servers for `versions`, an operator (`operate`: its settings), and a client at `rate` (0: none)."""
        scenario = self.stack.enter_context(self.member.scenario(self.namespace, own_gateway=own_gateway))
        scenario.serve(*versions, **serve)
        story = Story(self.member, scenario)
        story.stage = self
        story.record = self.stack.enter_context(scenario.record_route())
        story.operator = operator(self.member, self.namespace, **(operate or {})).start()
        self.stack.callback(lambda: story.operator.stop())  # noqa: PLW0108 - the story may have another one by then
        story.rate = rate
        self.stories.append(story)
        return story


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
