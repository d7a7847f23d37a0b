"""A stage sets stories up: model servers, an operator, a recorder and a client; what it starts ends with the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.support.operator import operator
from tests.e2e.support.story import Story

if TYPE_CHECKING:
    from contextlib import ExitStack

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
