"""What mypy checks of changes and reasons is what the models and the constants say."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest

from modelrollout.api import changes
from modelrollout.api import status as models
from modelrollout.api.spec import Analysis
from modelrollout.api.status import PHASES_OF_A_ROLLOUT, Phase
from modelrollout.core import reasons
from modelrollout.core.analysis.stats.parameters import MINIMUM_REQUESTS
from modelrollout.core.rollout import phases


def without_metadata(hint: Any) -> Any:
    """The type that a type checker sees: Timestamp is a float."""
    if get_origin(hint) is Annotated:
        return without_metadata(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return {without_metadata(part) for part in get_args(hint)}
    return hint


@pytest.mark.parametrize(
    ("model", "typed"),
    [
        (models.Status, changes.StatusChanges),
        (models.RolloutStatus, changes.RolloutChanges),
        (models.StepStatus, changes.StepChanges),
    ],
)
def test_a_change_has_the_fields_of_its_model_and_their_types(model: Any, typed: Any):
    fields = {name: without_metadata(field.annotation) for name, field in model.model_fields.items()}
    assert {name: without_metadata(hint) for name, hint in get_type_hints(typed).items()} == fields


def test_every_constant_is_a_reason_and_every_reason_has_a_constant():
    constants = [value for name, value in vars(reasons).items() if name.isupper()]
    assert sorted(constants) == sorted(get_args(reasons.Reason))


def test_no_reason_means_two_things():
    every = [*get_args(reasons.Reason), *get_args(reasons.GateReason), *get_args(reasons.MetricsReason)]
    assert len(every) == len(set(every))


def test_the_status_and_the_machine_agree_on_which_phases_are_a_rollout():
    assert set(PHASES_OF_A_ROLLOUT) == set(phases.RUNNING)


def test_the_table_knows_every_phase():
    assert {phase for phase, _ in phases.TRANSITIONS} == set(get_args(Phase))


def test_the_spec_asks_for_as_many_requests_as_the_statistics_do_by_default():
    assert Analysis.model_fields["minimum_requests"].default == MINIMUM_REQUESTS, "the layers may not share it"
