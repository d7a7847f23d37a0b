"""A layer whose windows have no units says nothing, and keeps no other layer from being judged."""

from __future__ import annotations

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import Evaluation
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of


async def test_a_layer_without_units_is_not_judged_and_the_others_are():
    model = Recording(scrapes(900.0), "triton")
    for version in "12":
        for layer, units in (("broken", 0), ("whole", 100)):
            labels = {"model": "digits", "version": version, "layer": layer, "load": "1"}
            dead = units // 10
            for metric, step in ((s.WINDOWS, 1), (s.WINDOW_NEURONS, units), (s.WINDOW_DEAD, dead)):
                model.growing(metric, step, since=START if version == "2" else -1e9, **labels)
            model.growing(s.WINDOW_DEAD_SQUARED, dead**2, since=START if version == "2" else -1e9, **labels)
    found = await look(request_of(spec_of({"name": "dead", "type": "DeadNeurons"})), 900, model)
    assert isinstance(found, Evaluation)
    (gate,) = found.gates
    assert gate.verdict != "FAIL"
    assert "broken" in gate.message, gate.message
