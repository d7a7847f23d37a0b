"""A pass on copies records figures; what raises or moves a rollout on is decided again on reads; lowering is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.command_annotation import COMMAND
from modelrollout.adapters.kubernetes.copies import known
from modelrollout.core.observation import FULL_WEIGHT, ObservedRoute, RoutePlan
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from tests.unit.runtime.in_memory import Clock, MemoryCluster, MemoryRouter, made, one_pass, reconciler_over


@dataclass
class Shown(MemoryCluster):
    """A copy answers wherever one may."""

    reads: int = 0
    copies: int = 0

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        context = known._COPIES.get()
        if context is None:
            self.reads += 1
        else:
            context.used, self.copies = True, self.copies + 1
        return await super().get(namespace, name)

    async def consume_command(self, _obj: dict[str, Any]) -> None:
        self.obj["metadata"].pop("annotations", None)


@dataclass
class Route(MemoryRouter):
    """Remembers how many reads there had been at each write, and whether it gave the candidate more."""

    cluster: Shown | None = None
    wrote: list[tuple[str, bool, int]] = field(default_factory=list)

    async def lower(self, *about: Any) -> ObservedRoute:
        self._note("lower", about[3])
        return await super().lower(*about)

    async def apply(self, *about: Any) -> ObservedRoute:
        self._note("apply", about[3])
        return await super().apply(*about)

    def _note(self, verb: str, plan: RoutePlan) -> None:
        assert self.cluster is not None
        had = 0 if self.route is None else FULL_WEIGHT - self.route.weight_of(plan.stable)
        self.wrote.append((verb, plan.weight > had, self.cluster.reads))


Stage = tuple[Reconciler, Watch, Shown, Route, Clock]


@pytest.fixture
def stage() -> Stage:
    plain, watch, cluster, clock = made()
    shown = Shown(cluster.obj)
    route = Route(cluster=shown)
    return reconciler_over(shown, route, clock, plain.config, lambda: True), watch, shown, route, clock


async def go_on(stage: Stage, until: str) -> list[tuple[str, str, int, int, list[tuple[str, bool, int]]]]:
    """Pass after pass until that phase: (phase before, after, reads before, after, writes of the route) of each."""
    reconciler, watch, shown, route, clock = stage
    found = []
    for _ in range(200):
        phase, reads = shown.obj.get("status", {}).get("phase", "Adopting"), shown.reads
        route.wrote.clear()
        await one_pass(reconciler, watch, shown, clock)
        found.append((phase, shown.obj["status"]["phase"], reads, shown.reads, list(route.wrote)))
        if found[-1][1] == until and phase != until:
            return found
    raise AssertionError(f"never {until}: {[one[1] for one in found]}")


@pytest.mark.slow
async def test_every_raise_and_every_new_phase_is_decided_on_a_read_of_its_pass(stage: Stage):
    passes = await go_on(stage, "Stepping") + await go_on(stage, "Serving")
    assert any(raised for *_, wrote in passes for _, raised, _ in wrote)
    for before, after, reads, later, wrote in passes:
        assert before == after or later > reads, f"{before} -> {after} without a read"
        for verb, raised, had in wrote:
            assert not raised or had > reads, f"{verb} raised without a read"


@pytest.mark.slow
async def test_a_pass_that_records_figures_reads_nothing(stage: Stage):
    await go_on(stage, "Stepping")
    reconciler, watch, shown, _, clock = stage
    reads, copies, evaluated = shown.reads, shown.copies, shown.obj["status"].get("nextEvaluation")
    await one_pass(reconciler, watch, shown, clock)
    await one_pass(reconciler, watch, shown, clock)
    assert shown.obj["status"]["phase"] == "Stepping"
    assert shown.obj["status"]["nextEvaluation"] != evaluated, "figures were recorded"
    assert (shown.reads, shown.copies) == (reads, copies + 2)


@pytest.mark.slow
async def test_an_abort_lowers_before_anything_is_read(stage: Stage):
    await go_on(stage, "Stepping")
    reconciler, watch, shown, route, clock = stage
    text = json.dumps({"verb": "abort", "nonce": "n1", "version": "2"})
    shown.obj["metadata"]["annotations"] = {COMMAND: text}
    reads = shown.reads
    route.wrote.clear()
    await one_pass(reconciler, watch, shown, clock)
    assert route.wrote[0] == ("lower", False, reads)
    assert shown.obj["status"]["phase"] == "RolledBack"
