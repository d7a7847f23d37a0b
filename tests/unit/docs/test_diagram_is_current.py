from __future__ import annotations

import re

from modelrollout.core.rollout.phase_diagram import GROUPS, diagram
from modelrollout.core.rollout.phases import TRANSITIONS, Trigger
from tests.docs import terminal
from tests.readme import README, with_diagram

ARROW = re.compile(r"^ +(\w+) --> (\w+): (.+)$")


def rows() -> list[tuple[str, str, str]]:
    """(source, target, trigger's text) of every arrow, those of a group once for each of its phases."""
    found = []
    for line in diagram().splitlines():
        arrow = ARROW.match(line)
        if arrow:
            source, target, texts = arrow.groups()
            sources = GROUPS[source][1] if source in GROUPS else (source,)
            found += [(each, target, text) for each in sources for text in texts.split(" / ")]
    return found


def test_the_diagram_says_every_row_of_the_table_exactly_once_and_nothing_else():
    table = [(source, target, trigger.value) for (source, trigger), target in TRANSITIONS.items()]
    assert sorted(rows()) == sorted(table)


def test_a_row_that_all_phases_of_a_rollout_share_is_one_arrow():
    aborts = [line for line in diagram().splitlines() if Trigger.ABORT.value in line]
    assert len(aborts) == 1
    assert aborts[0].strip().startswith("Running --> RolledBack")


def test_no_text_of_a_trigger_would_break_the_diagram():
    assert not [trigger for trigger in Trigger if set(trigger.value) & set(":;/#<>")]


def test_the_readme_carries_the_present_diagram():
    text = README.read_text()
    assert with_diagram(text) == text, "run `make docs`"


def test_the_first_picture_is_what_the_plugin_shows_and_loads_nothing():
    assert terminal.PAGE.read_text() == terminal.picture(), "run `make docs`, look at the picture, and commit it"
    assert "url(http" not in terminal.picture()
