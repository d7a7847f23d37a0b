"""A small world for the pure core: a route, a candidate's health, evaluations and a clock, all set by the test."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.api.problems import Problem, parse_spec
from modelrollout.api.spec import Spec
from modelrollout.api.status import DeadShare, Status, Verdict, dump
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.evaluation import Evaluation, GateResult, MetricsOutage
from modelrollout.core.observation import (
    Backend,
    Command,
    Event,
    MalformedCommand,
    Observation,
    ObservedRoute,
    Readiness,
    RoutePlan,
)
from modelrollout.core.predecessor import Predecessor
from modelrollout.core.preflight import PreflightReport, Prober, State
from modelrollout.core.reasons import AnyReason
from modelrollout.core.rollout.context import identity
from modelrollout.core.rollout.decide import Decision, decide

START = 1_700_000_000.0


def manifest(version: str = "1", **changes: Any) -> dict[str, Any]:
    """A small spec as people write it."""
    spec: dict[str, Any] = {
        "model": {"name": "digits", "version": version},
        "serving": {"service": "digits-v{version}", "port": 8000},
        "traffic": {"gateway": {"name": "inference", "hostnames": ["digits.example.com"]}},
        "steps": [{"weight": 5, "hold": "60s"}, {"weight": 25, "hold": "60s"}, {"weight": 50, "hold": "60s"}],
        "bake": "60s",
        "gates": [{"name": "errors", "type": "ErrorRate", "max": "1%"}],
        "analysis": {"interval": "15s", "minimumRequests": 100, "readyFor": "30s"},
    }
    return spec | changes


@dataclass
class World:
    """Passes are run by hand: `run()` is one pass, with a crash before any of its writes if asked for."""

    spec: dict[str, Any] = field(default_factory=manifest)
    now: float = START
    route: ObservedRoute | None = None
    status: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, Readiness] = field(default_factory=dict)
    judged: str = "errors"
    """The only gate that evaluations have."""
    verdict: Verdict = "PASS"
    required: bool = True
    frozen: bool = False
    digest: str | None = None
    layers: tuple[DeadShare, ...] = ()
    leaning: bool = False
    awaited: bool = False
    outweighed: bool | None = None
    excluded: str = ""
    unjudgeable: bool = False
    beside: tuple[GateResult, ...] = ()
    """Other gates of the evaluations."""
    default_gates: tuple[str, ...] | None = None
    scrapes: int | None = None
    plan: str = ""
    """What the evaluations before the first step say that stable's traffic can prove."""
    requests: int = 1000
    confirmed: bool = True
    halt: AnyReason | None = None
    rollback: AnyReason | None = None
    outage: MetricsOutage | None = None
    evaluating: bool = True
    command: Command | MalformedCommand | None = None
    generation: int = 1
    version: int = 1
    events: list[Event] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    writes: list[tuple[str, ObservedRoute | None, ObservedRoute | None]] = field(default_factory=list)
    """(kind, route before, route after) of the last pass, in order."""
    last: Decision | None = None
    manager: str = "modelrollout"
    refusals: int = 0
    refusal: str = ""
    version_header: bool | None = None
    features: frozenset[str] | None = None
    contested: str = ""
    prober: Prober = field(default_factory=lambda: Prober(installed=True))
    predecessor: Predecessor | None = None
    notices: tuple[str, ...] = ()
    _read: tuple[bytes | None, Status] | None = None
    """The status as it was read last, and its bytes: most passes are asked about one status several times."""

    def make_ready(self, version: str, since: float | None = None) -> None:
        """`version` answers, and has done for long unless `since` says otherwise."""
        began = self.now - 3600 if since is None else since
        self.ready[version] = Readiness(version, ready=True, since=began, failures=0, message="")

    def make_unready(self, version: str, failures: int = 2) -> None:
        self.ready[version] = Readiness(
            version, ready=False, since=None, failures=failures, message="connection refused"
        )

    def ask(self, verb: str, version: str | None = None, step: int | None = None, nonce: str | None = None) -> None:
        """As the plugin writes it: about what status shows now."""
        began = self.parsed.subject
        self.command = Command(
            verb,  # type: ignore[arg-type]
            nonce or f"n{self.now}",
            version,
            step,
            by="ann",
            why="because",
            rollout="" if began is None else format_timestamp(began),
            written_at=float(int(self.now)),
            dated=True,
        )

    @property
    def parsed(self) -> Status:
        content = _bytes_of(self.status)
        if self._read is None or content is None or self._read[0] != content:
            self._read = content, Status.model_validate(self.status)
        return self._read[1]

    @property
    def phase(self) -> str:
        return self.parsed.phase

    def evaluation(self, status: Status) -> Evaluation | None:
        if not self.evaluating or status.rollout is None:
            return None
        began = status.rollout.bake_started_at  # as EvaluationRequest.step_started_at has it
        if began is None:
            began = status.steps[-1].started_at if status.steps else status.rollout.started_at
        gate = GateResult(
            self.judged,
            "ErrorRate",
            self.verdict,
            "the sentence",
            required=self.required,
            leaning_bad=self.leaning,
            awaited=self.awaited,
            outweighed=self.outweighed,
            excluded=self.excluded,
            frozen=self.frozen,
            unjudgeable=self.unjudgeable,
        )
        end = self.now - 0.5
        return Evaluation(
            identity(status),
            self.now,
            int(self.now),
            end,
            self.requests,
            began,
            (gate, *self.beside),
            self.halt,
            self.rollback,
            message="why",
            digest=self.digest,
            confirmed=self.confirmed,
            scrapes=self.scrapes,
            default_gates=self.default_gates,
            layers=self.layers,
            plan="" if status.steps or status.rollout.plan else self.plan,
        )

    def seen(self, problem: str | None) -> Observation:
        return Observation(
            generation=self.generation,
            route=self.route,
            readiness=dict(self.ready),
            evaluation=None if self.outage else self.evaluation(self.parsed),
            outage=self.outage,
            command=self.command,
            problem=problem,
            refusals=self.refusals,
            refusal=self.refusal,
            version_header=self.version_header,
            features=self.features,
            contested=self.contested,
            prober=self.prober,
            predecessor=self.predecessor,
            notices=self.notices,
        )

    def run(self, crash: str | None = None) -> Decision:
        """One pass. `crash`: the process dies before this write ("lower", "status", "route", "consume").

        "lowered": it goes on, but its route writes are refused.
        """
        spec, problems = _spec_of(self.spec)
        problem = problems[0].sentence if problems else None
        decision = decide(spec, self.parsed, self.seen(problem), self.now)
        self.last = decision
        self.writes.clear()
        if crash == "lower":
            return decision
        if decision.lower is not None and crash != "lowered":
            self._write("lower", decision.lower)
        if crash == "status":
            return decision
        self.status = dump(decision.status)
        self.writes.append(("status", self.route, self.route))
        self.events.extend(decision.events)
        if crash in ("route", "lowered"):
            return decision
        if decision.route is not None and spec is not None:
            self._write("route", decision.route, testers=decision.route.testers)
        if crash != "consume" and decision.consume_command:
            self.command = None
        return decision

    def tick(self, seconds: float = 15.0, crash: str | None = None) -> Decision:
        """Time goes on, then a pass."""
        self.now = round(self.now + seconds, 3)
        return self.run(crash)

    def report(self, state: State, rows: int = 0, of: int = 500, message: str = "") -> None:
        """The prober's word on the run that status names, or on the golden set at rest."""
        spec, known = _spec_of(self.spec)[0], self.parsed.preflight
        asked, run = spec.preflight_digest if spec is not None else "", known.run if known is not None else ""
        self.prober = Prober(True, PreflightReport(asked, run, state, rows, of, message), self.now)

    def in_preflight(self, version: str = "2", **changes: Any) -> World:
        """Adopted 1, and `version` before its golden set; `changes` of the spec."""
        golden = {"goldenSet": {"configMap": "golden", "key": "rows.npz"}}
        self.spec = manifest(**{"preflight": golden} | changes)
        self.adopted()
        self.want(version)
        self.make_ready(version)
        for _ in range(4):
            self.tick(1)
            if self.phase == "Preflight":
                break
        assert self.phase == "Preflight"
        return self

    def set_weight(self, weight: int, manager: str = "kubectl-edit") -> None:
        """Someone edits the route by hand."""
        assert self.route is not None
        stable, *rest = self.route.backends
        backends = (replace(stable, weight=100 - weight), *(replace(b, weight=weight) for b in rest[:1]))
        self.route = replace(self.route, backends=backends, manager=manager, resource_version=self._next())

    def adopted(self, version: str = "1") -> World:
        self.spec = manifest(version) | {k: v for k, v in self.spec.items() if k != "model"}
        self.make_ready(version)
        self.run()
        self.run()
        assert self.phase == "Serving"
        return self

    def want(self, version: str) -> None:
        self.spec = self.spec | {"model": {"name": "digits", "version": version}}
        self.generation += 1

    def stepping(self, version: str = "2") -> World:
        """Adopted 1, and `version` at its first step."""
        self.adopted()
        self.want(version)
        self.make_ready(version)
        for _ in range(4):
            self.tick(1)
            if self.phase == "Stepping":
                break
        self.tick(1)
        assert self.phase == "Stepping"
        return self

    @property
    def weight(self) -> int:
        """The percent of anything but what the route calls stable."""
        if self.route is None:
            return 0
        return 100 - self.route.weight_of(self.route.stable) if self.route.backends else 0

    def weight_of(self, version: str) -> int:
        return self.route.weight_of(version) if self.route else 0

    def _write(self, kind: str, plan: RoutePlan, *, testers: bool = False) -> None:
        before = self.route
        backends = [Backend(plan.stable, f"digits-v{plan.stable}", 8000, 100 - plan.weight)]
        if plan.candidate:
            backends.append(Backend(plan.candidate, f"digits-v{plan.candidate}", 8000, plan.weight))
        if before is not None and before.adopted:  # Git's backends stay
            written = {backend.version for backend in backends}
            backends += [replace(one, weight=0) for one in before.backends if one.version not in written]
        new = ObservedRoute(
            plan.stable,
            tuple(backends),
            "",
            model="digits",
            testers=testers,
            acceptance="ACCEPTED",
            manager="modelrollout",
            version_header=plan.version_header if kind == "route" else before is not None and before.version_header,
            mirror=plan.mirror if kind == "route" else min(plan.mirror, before.mirror if before else 0),
            adopted=before.adopted if before else "",
            unfit=before.unfit if before else "",
            place=plan.place if kind == "route" or before is None else before.place,
        )
        if self.route is None or replace(self.route, resource_version="", manager="modelrollout") != new:
            self.route = replace(new, resource_version=self._next())
        self.writes.append((kind, before, self.route))
        self.weights.append(self.weight)

    def _next(self) -> str:
        self.version += 1
        return str(self.version)


_specs: dict[bytes, tuple[Spec | None, list[Problem]]] = {}


def _spec_of(raw: dict[str, Any]) -> tuple[Spec | None, list[Problem]]:
    """Each spec is read once: pass after pass has the same."""
    content = _bytes_of(raw)
    if content is None:
        return parse_spec(raw)
    if content not in _specs:
        _specs[content] = parse_spec(raw)
    return _specs[content]


def _bytes_of(value: Any) -> bytes | None:
    """The same for equal values, at next to no cost; None for what is no plain data."""
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return None


def reasons_of(world: World) -> list[str]:
    return [event.reason for event in world.events]


def in_doubt(world: World) -> World:
    """The bake has started, and the candidate is worse than stable was before it."""
    while world.phase != "Baking":
        world.tick()
    world.tick(1)
    world.verdict, world.frozen = "FAIL", True
    world.tick()
    return world
