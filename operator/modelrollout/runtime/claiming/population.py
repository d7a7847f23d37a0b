"""What the configuration's limits let a namespace have: so many ModelRollouts, and so much asked for by each.

Limits refuse what is new. A resource that has its route, and a rollout that began with these gates, go on and say so.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.api.base import KIND
from modelrollout.api.borders.cleaning import clean
from modelrollout.api.problems import Problem, check_limits, summary
from modelrollout.api.status import LONGEST_WARNING

if TYPE_CHECKING:
    from modelrollout.api.config import OperatorConfig
    from modelrollout.api.spec import Spec
    from modelrollout.api.status import Status
    from modelrollout.core.observation import ObservedRoute

Key = tuple[str, str]
Age = tuple[str, str]
"""When a resource was made, as the API server writes it, and its name."""


@dataclass
class Population:
    """The resources of this process by namespace and age; a resource is known from its first pass on."""

    _ages: dict[Key, Age] = field(default_factory=dict)
    _by_age: defaultdict[str, list[Age]] = field(default_factory=lambda: defaultdict(list))

    def forget(self, key: Key) -> None:
        """It is gone."""
        age = self._ages.pop(key, None)
        if age is None:
            return
        ages = self._by_age[key[0]]
        del ages[bisect_left(ages, age)]
        if not ages:
            del self._by_age[key[0]]

    def older_than(self, obj: dict[str, Any]) -> int:
        """How many of its namespace are older; it is one of them from now on."""
        meta = obj["metadata"]
        key = (str(meta.get("namespace")), str(meta.get("name")))
        age = (str(meta.get("creationTimestamp") or ""), key[1])
        if self._ages.get(key) != age:
            self.forget(key)
            self._ages[key] = age
            insort(self._by_age[key[0]], age)
        return bisect_left(self._by_age[key[0]], age)


def judge_number(older: int, most: int, namespace: str, route: ObservedRoute | None) -> tuple[str, tuple[str, ...]]:
    """(why a resource with so many older ones is refused or "", what is only said, since it has a route already)."""
    if older < most:
        return "", ()
    fix = f"delete others, or have limits.mostResources of the operator's configuration changed, which is {most}"
    loc = ("metadata", "namespace")
    sentence = Problem("metadata.namespace", f"has {older} older {KIND}s ({namespace})", fix, loc).sentence
    if route is None or route.foreign:
        return sentence, ()
    return "", (clean(f"it has a route, so it goes on: {sentence}", LONGEST_WARNING),)


def judge_limits(spec: Spec, config: OperatorConfig, status: Status) -> tuple[str, tuple[str, ...]]:
    """(why a spec that asks for too much is refused or "", what is only said, since a rollout began with its gates).

    A refused spec is not judged: a candidate under way would keep its traffic without anybody looking.
    """
    problems = check_limits(spec, config)
    if not problems or status.rollout is None or status.rollout.gates_digest != spec.gates_digest():
        return summary(problems), ()
    texts = (f"its rollout began with it, so it goes on: {problem.sentence}" for problem in problems)
    return "", tuple(clean(text, LONGEST_WARNING) for text in texts)
