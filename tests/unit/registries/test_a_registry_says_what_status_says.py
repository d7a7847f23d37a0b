"""What a registry should say follows from the status alone; nothing of anybody else is touched."""

from __future__ import annotations

import pytest

from modelrollout.api.status import Status
from modelrollout.core.registry import Changes, Found, Names, changes, tags_of
from tests.unit.registries.standings import AT, ROLLED_BACK, entry, promoted, rolled_back, standing, status, trying

NAMES = Names("candidate", "champion")
NOTHING = {str(version): dict[str, str]() for version in range(1, 5)}


def states(found: Status, *, gone: bool = False) -> dict[str, str]:
    return {mark.version: mark.state for mark in standing(found, gone=gone).marks}


def written(found: Status, aliases: dict[str, str], *, gone: bool = False) -> Changes:
    """What is written where everything but the aliases is said already."""
    wanted = standing(found, gone=gone)
    tags = NOTHING | {mark.version: tags_of(wanted, mark) for mark in wanted.marks}
    return changes(wanted, NAMES, Found(aliases, tags))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (status(), {"1": "champion"}),
        (trying(), {"1": "champion", "2": "candidate"}),
        (rolled_back(), {"1": "champion", "2": "rejected"}),
        (promoted(), {"2": "champion", "1": "previous"}),
        (status(history=[entry("Aborted", "2")]), {"1": "champion", "2": "aborted"}),
        (status(history=[entry("RolledBack", "2"), entry("Replaced", "2")]), {"1": "champion", "2": "replaced"}),
        (status(history=[entry("FastRollback", "1", "2")]), {"1": "champion", "2": "rejected"}),
        (trying(history=[entry("Rejected", "2")]), {"1": "champion", "2": "candidate"}),
        (Status(), {}),
    ],
)
def test_each_version_has_the_state_that_it_came_to_last(found: Status, said: dict[str, str]):
    assert states(found) == said


def test_a_rejected_version_has_its_reason():
    mark = standing(rolled_back()).marks[1]
    said = {"rollout": "vision/digits", "state": "rejected", "reason": "GateFailed", "message": ROLLED_BACK, "at": AT}
    assert tags_of(standing(rolled_back()), mark) == said


@pytest.mark.parametrize(
    ("found", "aliases", "moved"),
    [
        (status(), {}, [("champion", "1")]),
        (trying(), {"champion": "1"}, [("candidate", "2")]),
        (trying(), {"champion": "1", "candidate": "2"}, []),
        (rolled_back(), {"champion": "1", "candidate": "2"}, [("candidate", None)]),
        (promoted(), {"champion": "1", "candidate": "2"}, [("champion", "2"), ("candidate", None)]),
        (status(), {"champion": "4"}, [("champion", "1")]),
        (Status(), {"champion": "4", "candidate": "3"}, []),
    ],
)
def test_aliases_are_moved_to_where_the_rollout_is(
    found: Status, aliases: dict[str, str], moved: list[tuple[str, str | None]]
):
    assert list(written(found, aliases).aliases) == moved


def test_what_is_said_already_is_not_written():
    assert written(promoted(), {"champion": "2"}) == Changes((), (), ())


def test_an_alias_that_a_person_put_on_a_version_of_their_own_is_left():
    assert written(status(), {"champion": "1", "candidate": "4"}).aliases == ()


def test_nothing_of_another_rollout_is_touched():
    theirs = {"rollout": "speech/digits", "state": "champion"}
    found = changes(standing(trying()), NAMES, Found({"champion": "4"}, NOTHING | {"2": theirs, "4": theirs}))
    assert {version for version, _, _ in found.tags} == {"1"}
    assert found.aliases == ()
    assert found.left == (
        "version 2 is marked by speech/digits",
        "alias champion: version 4 is marked by speech/digits",
    )


def test_a_version_that_is_not_there_is_said_and_the_rest_is_done():
    there: dict[str, dict[str, str] | None] = {"1": {}, "2": None}
    found = changes(standing(trying()), NAMES, Found({}, there))
    assert (found.aliases, found.left) == ((("champion", "1"),), ("there is no version 2",))
    past = status(history=[entry("RolledBack", "2")])
    assert changes(standing(past), NAMES, Found({}, there)).left == (), "what is over may be gone"


def test_with_its_rollout_gone_nothing_is_tried():
    assert states(trying(), gone=True) == {"1": "champion", "2": "aborted"}
    assert written(trying(), {"champion": "1", "candidate": "2"}, gone=True).aliases == (("candidate", None),)
