"""A status written by an older operator, or with a reason that this one does not know, is read and gone on from.

data/*.json were written by the code from before `warnings` and `lastCommand.outcome` were there; never regenerate them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.status import Status
from modelrollout.core.observation import Backend, ObservedRoute
from tests.unit.rollout.world import START, World, manifest

DATA = Path(__file__).parent / "data"


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return found


def gone_on_from(status: dict[str, Any], weight: int, now: float = START + 30) -> World:
    """A new operator's world: the route as the old one left it, both versions ready for long."""
    backends = tuple(Backend(v, f"digits-v{v}", 8000, w) for v, w in (("1", 100 - weight), ("2", weight)))
    route = ObservedRoute("1", backends, "9", model="digits", acceptance="ACCEPTED", manager="modelrollout")
    world = World(spec=manifest("2"), now=now, route=route, status=status, generation=2)
    world.make_ready("1")
    world.make_ready("2")
    return world


def test_a_rollout_in_mid_step_goes_on_to_its_promotion():
    world = gone_on_from(stored("status_stepping"), 5)
    seen = []
    for _ in range(60):
        world.tick(15)
        seen.append(world.weight)
        if world.phase == "Serving":
            break
    assert world.phase == "Serving"
    assert world.parsed.stable == "2"
    assert seen == sorted(seen[:-1]) + seen[-1:]
    assert {5, 25, 50, 100} <= {*seen[:-1]}


def test_a_bake_ends_in_its_promotion():
    status = stored("status_baking")
    until = Status.model_validate(status).step
    assert until is not None
    assert until.earliest_advance is not None
    world = gone_on_from(status, 100, until.earliest_advance)
    for _ in range(3):
        world.tick(15)
    assert (world.phase, world.parsed.stable) == ("Serving", "2")


def test_a_rejected_version_stays_rejected():
    world = gone_on_from(stored("status_rolled_back"), 0)
    for _ in range(5):
        world.tick(15)
    assert world.phase == "RolledBack"
    assert world.weight == 0


def test_whether_an_old_command_was_applied_is_known_though_it_has_no_outcome():
    last = Status.model_validate(stored("status_rolled_back")).last_command
    assert last is not None
    assert last.outcome is None
    assert last.applied
    refused = last.model_copy(update={"result": "refused: nothing to abort in phase Serving"})
    assert not refused.applied


@pytest.mark.parametrize("name", ["status_stepping", "status_baking", "status_rolled_back"])
def test_nothing_that_was_written_is_lost_by_reading_it(name: str):
    status = Status.model_validate(stored(name)).model_dump(mode="json", by_alias=True, exclude_none=True)
    for key, value in stored(name).items():
        kept = {part: status[key][part] for part in value} if isinstance(value, dict) else status[key]
        assert kept == value  # what this version adds to it has its default


def test_an_unknown_reason_is_read_kept_and_shown():
    status = stored("status_rolled_back")
    status["reason"] = status["rejected"]["reason"] = "ReasonOfTheYear2040"
    world = gone_on_from(status, 0)
    world.tick(15)
    assert world.phase == "RolledBack"
    assert world.parsed.reason == "ReasonOfTheYear2040"
    assert world.parsed.rejected is not None
    assert world.parsed.rejected.reason == "ReasonOfTheYear2040"
