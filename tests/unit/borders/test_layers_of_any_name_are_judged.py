"""Layers of any number and any name go from a scrape to a verdict and a sentence, and that to a rollback."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelrollout.api.borders.cleaning import LONGEST_NAME, clean_name
from modelrollout.api.status import LONGEST_GATE_MESSAGE
from tests.expect import present
from tests.unit.analysis.recorded import dead_windows, look, request_of, spec_of
from tests.unit.borders.cluster import at_25_percent
from tests.unit.borders.hostile import TEXTS
from tests.unit.borders.test_whatever_comes_in_traffic_is_lowered import check_lowered

DEAD = {"name": "dead", "type": "DeadNeurons"}
ORDINARY = [f"model.encoder.layers.{i:02d}.feed_forward.intermediate_act_fn.gelu_out" for i in range(64)]


async def rolled_back(layers: list[str]) -> str:
    """What is said of the dead gate, after a pass that rolled back for it."""
    rows = [dead_windows(600, layer, stable=5, candidate=95) for layer in layers]
    (gate,) = (await look(request_of(spec_of(DEAD)), 600, *rows)).gates
    assert gate.verdict == "FAIL"
    rollout = at_25_percent()
    rollout.fail(gate)
    await rollout.run()
    check_lowered(rollout, "breach")
    return gate.message


@pytest.mark.slow
async def test_sixty_four_ordinary_layers_are_told_in_a_sentence_that_names_a_few():
    message = await rolled_back(ORDINARY)
    assert len(message) < LONGEST_GATE_MESSAGE
    assert message.endswith("and 58 more")


@pytest.mark.slow
@settings(max_examples=min(20, present(settings.default).max_examples))
@given(names=st.lists(TEXTS, min_size=1, max_size=5, unique=True))
async def test_layers_of_any_name_are_told_in_printable_words(names: list[str]):
    message = await rolled_back(names)
    assert message.isprintable()
    assert len(message) <= LONGEST_GATE_MESSAGE


@given(names=st.lists(TEXTS, min_size=2, max_size=2, unique=True))
@example(names=["A" * 200 + "x", "A" * 200 + "y"])
@example(names=["a\x00", "a\x01"])
def test_two_names_stay_two_however_they_are_cleaned(names: list[str]):
    one, other = map(clean_name, names)
    assert one != other
    assert max(len(one), len(other)) <= LONGEST_NAME
    assert one.isprintable()
    assert clean_name(one) == one


@pytest.mark.parametrize("name", ["", "conv1", "blöcke.3", "層", *ORDINARY[:2]])
def test_an_ordinary_name_stays_as_it_is(name: str):
    assert clean_name(name) == name
