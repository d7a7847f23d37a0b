"""What the header of phases.py says that the table guarantees, whatever the checks decide."""

from __future__ import annotations

import pytest

from modelrollout.api.status import Phase
from modelrollout.core.rollout.phases import (
    EXPOSED,
    PHASES,
    REFUSED,
    RUNNING,
    TRANSITIONS,
    IllegalTransition,
    Trigger,
    exposed,
    group_of,
    next_phase,
)

PHASES_AT_0 = tuple(phase for phase in PHASES if not exposed(phase))


def into(targets: tuple[Phase, ...], sources: tuple[Phase, ...] = PHASES) -> set[Trigger]:
    """The triggers that lead from any of `sources` to any of `targets`."""
    return {trigger for (phase, trigger), end in TRANSITIONS.items() if phase in sources and end in targets}


def test_readiness_comes_before_all_traffic():
    assert into(EXPOSED, PHASES_AT_0) == {Trigger.CANDIDATE_READY}


def test_no_path_leads_around_the_steps_and_the_bake_but_a_persons_command():
    assert into(("Baking",)) == {Trigger.PROVEN, Trigger.UNPROVEN, Trigger.PROMOTE}
    out = into(("Serving",), RUNNING)
    back = {Trigger.FAST_ROLLBACK, Trigger.REVERTED, Trigger.REPLACED_IN_ORDER}
    assert out == {Trigger.BAKED, Trigger.UNPROVEN, Trigger.PROMOTE, *back}
    assert {phase for phase, trigger in TRANSITIONS if trigger is Trigger.BAKED} == {"Baking"}


@pytest.mark.parametrize("trigger", [Trigger.ABORT, Trigger.BREACH, Trigger.REVERTED, Trigger.VERSION_CHANGED])
def test_nothing_holds_a_rollout_in_place(trigger: Trigger):
    assert all(not exposed(next_phase(phase, trigger)) for phase in RUNNING)


def test_a_version_that_stops_answering_always_loses_its_traffic():
    assert {next_phase(phase, Trigger.CANDIDATE_LOST) for phase in EXPOSED} == {"Waiting"}


def test_a_refused_version_starts_again_at_weight_0():
    assert into(RUNNING, REFUSED) == {Trigger.RETRY, Trigger.VERSION_CHANGED}
    assert into(EXPOSED, REFUSED) == set()


def test_a_fast_rollback_ends_the_rollout():
    ends = {end for (_, trigger), end in TRANSITIONS.items() if trigger is Trigger.FAST_ROLLBACK}
    assert ends == {"Serving"}


def test_every_phase_is_in_one_group_and_the_groups_agree():
    assert {group_of(phase) for phase in PHASES} == {"at rest", "waiting", "exposed", "refused"}
    assert {*RUNNING, *REFUSED, "Adopting", "Serving"} == set(PHASES)


def test_what_the_table_does_not_list_is_a_defect():
    with pytest.raises(IllegalTransition, match="PROVEN does not apply in phase Serving"):
        next_phase("Serving", Trigger.PROVEN)
