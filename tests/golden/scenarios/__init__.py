"""Rollouts driven through every sentence that the core can say: each scenario takes a fresh world and acts on it."""

from __future__ import annotations

from tests.golden.scenarios import changes, ends, git, order, people, progress
from tests.golden.scenarios.acting import Scenario

ALL: tuple[Scenario, ...] = (*progress.ALL, *ends.ALL, *people.ALL, *changes.ALL, *git.ALL, *order.ALL)
