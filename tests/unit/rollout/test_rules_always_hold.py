"""The rules as properties: any order of edits, losses, outages, crashes and hand edits, checked at every write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelrollout.api.problems import parse_spec
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.core.observation import Command
from modelrollout.core.rollout.context import target_weight
from modelrollout.core.rollout.phases import Trigger, exposed, running, waits_for_person
from modelrollout.core.rollout.status_message import asked
from tests.expect import expect, present
from tests.unit.rollout.world import World, manifest

CRASHES = st.sampled_from([None, None, None, "lower", "status", "route", "consume"])
VERBS = st.sampled_from(["approve", "abort", "pause", "resume", "retry", "promote"])
SELDOM = st.sampled_from([True, True, True, False])
STEPS = st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True).map(sorted)


class AnythingHappens(RuleBasedStateMachine):
    """The operator may be killed before any write; the world changes between any two passes."""

    @initialize()
    def begin(self):
        self.world = World(
            spec=manifest(
                traffic={"gateway": {"name": "inference", "hostnames": ["a.example.com"]}, "testerHeader": "x-try"}
            )
        ).adopted()
        self.by_hand = False
        self.written_in: float | None = None

    @rule(seconds=st.sampled_from([0.1, 2, 16, 70, 400]), crash=CRASHES)
    def time_passes(self, seconds, crash):
        world = self.world
        before, route = world.parsed, world.route
        decision = world.tick(seconds, crash)
        self.check_writes(before)
        self.check_raises(before, route, decision)
        self.check_promotion(before, decision)
        self.check_command(before)
        if crash is None:
            self.check_lost(before)
        self.by_hand = crash is not None

    @rule(version=st.sampled_from(["2", "3"]), ticks=st.integers(3, 12), approval=st.booleans(), proven=st.booleans())
    def all_goes_well_for_a_while(self, version, ticks, approval, proven):
        """Random edits alone would hardly ever reach the later phases, or those that wait for a person."""
        world = self.world
        self.evidence_goes_or_comes(evaluating=True, required=True, leaning=False, requests=True, halt=True)
        world.verdict, world.outage, world.command = "PASS" if proven else "CONTINUE", None, None
        world.spec = world.spec | manifest(version)
        world.spec["steps"] = [step | {"approval": approval} for step in world.spec["steps"]]
        choice = "Promote" if approval else "Pause"
        world.spec["analysis"] = world.spec["analysis"] | {
            "deadline": "24h" if proven else "5m",
            "onInconclusive": choice,
        }
        for each in ("1", version):
            world.make_ready(each)
        for _ in range(ticks):
            self.time_passes(31, None)
        self.check_what_people_read()

    def teardown(self):
        """Nothing that ever happened keeps a rollout from its end once all is well and every question is answered."""
        world = getattr(self, "world", None)
        if world is None:
            return
        version = world.parsed.candidate or "2"
        world.verdict, world.frozen, world.outage, world.command = "PASS", False, None, None
        self.evidence_goes_or_comes(evaluating=True, required=True, leaning=False, requests=True, halt=True)
        edited = [{"name": "errors", "type": "ErrorRate", "max": "3%"}]  # the last edit of all
        world.spec = world.spec | manifest(version, gates=edited)
        for each in ("1", "2", "3", "4"):
            world.make_ready(each)
        for _ in range(60):
            world.tick(31)
            if world.parsed.paused or world.phase == "Inconclusive":
                world.ask("resume", version)
        status = world.parsed
        refused = status.rejected.version if status.rejected else None
        assert (status.phase, status.stable) == ("Serving", version) or refused == version, status.message

    def check_what_people_read(self):
        """Some passes after the last change: an invalid spec is reported as long as it is one, and no longer."""
        status = self.world.parsed
        assert (status.reason == "InvalidSpec") == (parse_spec(self.world.spec)[0] is None)
        if waits_for_person(status.phase):
            assert present(asked(status)).message in status.message

    def check_writes(self, before):
        """Rule 1: lowering comes first and never raises; whatever comes after the record never lowers."""
        candidate = before.candidate
        for kind, old, new in self.world.writes:
            if old is None or new is None or before.stable is None:
                continue
            if kind == "lower":
                assert new.weight_of(before.stable) > old.weight_of(before.stable) or old.testers
                assert all(new.weight_of(b.version) <= b.weight for b in old.backends if b.version != before.stable)
            moved_on = self.world.parsed.stable != before.stable
            if kind == "route" and candidate and not moved_on and old.stable == before.stable:
                assert new.weight_of(candidate) >= old.weight_of(candidate)

    def check_raises(self, before, old, decision):
        """What went up had every right to: ready, seen, not failing, recorded first."""
        world, after, candidate = self.world, self.world.parsed, before.candidate
        if old is None or candidate is None or after.stable != before.stable:
            return
        if world.weight_of(candidate) <= old.weight_of(candidate) or old.stable != before.stable:
            return
        person = decision.trigger in (Trigger.PROMOTE, Trigger.RESUME)
        assert world.ready[candidate].ready
        assert world.weight_of(candidate) <= target_weight(after)
        of_the_bake = world.frozen and before.phase != "Baking"  # a frozen limit says nothing of the step
        assert world.verdict != "FAIL" or of_the_bake or decision.trigger is Trigger.PROMOTE
        assert world.outage is None or person
        assert person or not (after.paused and before.paused)
        assert person or after.weight.lowered_at is None

    def check_lost(self, before):
        """Rule 2: who failed two probes in a row has no traffic after the pass."""
        world, found = self.world, self.world.ready.get(before.candidate or "")
        if found and found.failures >= 2 and world.route and world.parsed.stable == before.stable:
            assert world.weight_of(before.candidate) == 0

    def check_promotion(self, before, decision):
        """Rules 4, 5: what is promoted is what was analysed, at 100 %, with evidence, or by a person's word."""
        world, after = self.world, self.world.parsed
        if before.stable in (None, after.stable) or decision.trigger in (Trigger.FAST_ROLLBACK, Trigger.ADOPTED):
            return  # ADOPTED: a status that contradicts the route is not believed (see machine.contradiction)
        assert before.phase == "Baking"
        assert after.stable == before.candidate
        assert decision.trigger is Trigger.PROMOTE or world.now - before.rollout.bake_started_at >= 60
        if decision.trigger is not Trigger.PROMOTE:
            assert world.verdict in ("PASS", "CONTINUE")
            assert world.outage is None
            assert world.evaluating
            assert world.required
            assert not world.leaning
            assert world.requests > 0
            assert world.halt is None

    def check_command(self, before):
        """A command is obeyed in the rollout that was in progress when it was written, and in no other."""
        last = self.world.parsed.last_command
        if last is not None and last != before.last_command and last.applied:
            assert self.written_in == before.subject

    @rule(version=st.sampled_from(["1", "2", "3", "4"]))
    def version_is_changed(self, version):
        self.world.want(version)

    @rule(version=st.sampled_from(["1", "2", "3", "4"]), ready=st.booleans())
    def readiness_changes(self, version, ready):
        if ready:
            self.world.make_ready(version)
        else:
            self.world.make_unready(version)

    @rule(crash=CRASHES)
    def candidate_is_lost(self, crash):
        self.world.make_unready(self.world.parsed.candidate or "2")
        self.time_passes(2, crash)

    @rule(
        verdict=st.sampled_from(["PASS", "PASS", "CONTINUE", "FAIL", "NO_DATA", "NOT_COMPARABLE"]), frozen=st.booleans()
    )
    def gates_say(self, verdict, frozen):
        self.world.verdict, self.world.frozen = verdict, frozen

    @rule(evaluating=SELDOM, required=SELDOM, leaning=SELDOM.map(lambda usual: not usual), requests=SELDOM, halt=SELDOM)
    def evidence_goes_or_comes(self, evaluating, required, leaning, requests, halt):
        self.world.evaluating, self.world.required, self.world.leaning = evaluating, required, leaning
        self.world.requests, self.world.halt = 1000 if requests else 0, None if halt else "WeightsDiffer"

    @rule(digest=st.sampled_from([None, "sha256:a", "sha256:b"]))
    def weights_are_reloaded(self, digest):
        self.world.digest = digest

    @rule(outage=st.booleans())
    def metrics_go_or_come(self, outage):
        self.world.outage = MetricsOutage("PrometheusUnreachable", "refused", self.world.now) if outage else None

    @rule(steps=STEPS)
    def steps_are_edited(self, steps):
        self.world.spec = self.world.spec | {"steps": [{"weight": w, "hold": "60s"} for w in steps]}

    @rule(choice=st.sampled_from(["Pause", "Promote", "Promote"]), deadline=st.sampled_from(["5m", "24h"]))
    def deadline_is_edited(self, choice, deadline):
        analysis = self.world.spec["analysis"] | {"onInconclusive": choice, "deadline": deadline}
        self.world.spec = self.world.spec | {"analysis": analysis}

    @rule(limit=st.sampled_from(["1%", "2%"]))
    def gates_are_edited(self, limit):
        self.world.spec = self.world.spec | {"gates": [{"name": "errors", "type": "ErrorRate", "max": limit}]}

    @rule()
    def spec_is_broken(self):
        self.world.spec = self.world.spec | {"steps": []}

    @rule()
    def spec_is_broken_for_a_while(self):
        before = self.world.spec
        self.spec_is_broken()
        self.time_passes(2, None)
        self.world.spec = before
        for _ in range(3):
            self.time_passes(2, None)
        self.check_what_people_read()

    @precondition(lambda self: self.world.route is not None)
    @rule(weight=st.integers(0, 100))
    def weight_is_edited_by_hand(self, weight):
        if len(present(self.world.route).backends) > 1:
            self.world.set_weight(weight)
            self.by_hand = True

    @rule()
    def route_is_deleted(self):
        self.world.route = None

    @rule(verb=VERBS, right=st.booleans())
    def person_commands(self, verb, right):
        status = self.world.parsed
        version = status.candidate or (status.rejected.version if status.rejected else None)
        self.world.ask(verb, version if right else "77", status.step.index if status.step else None)
        self.written_in = status.subject

    @rule(verb=VERBS)
    def person_commanded_an_earlier_rollout(self, verb):
        self.person_commands(verb, right=True)
        earlier = self.world.now - 86_400
        asked = expect(Command, self.world.command)
        self.world.command = replace(asked, rollout=format_timestamp(earlier), written_at=earlier)
        self.written_in = earlier
        self.time_passes(2, None)

    @rule()
    def operator_is_restarted(self):
        self.world.ready.clear()

    @invariant()
    def exposure_never_exceeds_what_status_intends(self):
        """Rules 1, 2: after a pass that was not cut short, no version but stable has more than the step's weight."""
        world = getattr(self, "world", None)
        if world is None or world.last is None or self.by_hand or world.route is None:
            return
        status = world.parsed
        intended = target_weight(status)
        if world.last.trigger is None and world.last.lower is None and exposed(status.phase):
            assert world.weight_of(status.candidate) <= max(intended, 0)

    @invariant()
    def whoever_is_lost_has_nothing_after_a_pass(self):
        world = getattr(self, "world", None)
        if world is None or world.last is None or world.route is None or self.by_hand:
            return
        status = world.parsed
        if status.phase == "Waiting" and world.route.stable == status.stable and world.last.trigger is None:
            assert world.weight == 0

    @invariant()
    def weights_total_one_hundred_and_stable_is_among_them(self):
        world = getattr(self, "world", None)
        if world is None or world.route is None:
            return
        assert sum(b.weight for b in world.route.backends) == 100
        if not running(world.phase):
            return
        assert any(b.version == world.route.stable for b in world.route.backends)

    @rule()
    def a_second_pass_over_an_unchanged_world_changes_nothing(self):
        """Rest means zero writes: deciding again, with nothing new, is a no-op after at most a few passes."""
        world = self.world
        self.by_hand = False
        for _ in range(6):
            world.run()
        before = (world.status, world.route)
        world.run()
        assert (world.status, world.route) == before
        self.check_what_people_read()


AnythingHappens.TestCase.settings = settings(
    stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TestAnythingHappens = pytest.mark.timeout(400)(AnythingHappens.TestCase)  # a failure is minimised before it is reported
