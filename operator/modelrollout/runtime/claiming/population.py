"""How many ModelRollouts a namespace has: those that are older than one more than are served keep what they have."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.api.base import KIND
from modelrollout.api.borders.cleaning import clean
from modelrollout.api.problems import Problem
from modelrollout.api.status import LONGEST_WARNING

if TYPE_CHECKING:
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
