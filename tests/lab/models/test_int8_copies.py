"""Of two int8 copies, both agreeing with the original, the badly calibrated one shows in its activations alone.

All bounds lie far from what is measured: another CPU rounds other sums in int8.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from activation_health import Monitor
from activation_health.graphs.instrument import instrument, layout_of
from activation_health.graphs.watch import GraphOutputs
from modelrollout.core.analysis.gates.drift import jensen_shannon
from modelrollout.core.analysis.stats import limits
from tests import ROOT
from tests.lab.models.data import holdout, split
from tests.lab.models.int8_digits import BAD_COPY, CALIBRATION_ROWS, GOOD_COPY, ORIGINAL, int8_digits
from tests.lab.models.onnx_digits import onnx_digits
from tests.lab.models.training import BETTER

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = ("blocks/0/relu", "blocks/1/relu")
PAGE = ROOT / "docs/telemetry/canary-an-int8-copy.md"
AGREEMENT, DRIFT = 0.95, 0.03
"""The page's limits."""


class Facts(NamedTuple):
    """Over the hold-out; `zeros`, `dead` and `magnitudes` by layer."""

    classes: Any
    right: float
    zeros: list[float]
    dead: list[float]
    magnitudes: list[Any]


def facts_of(behaves_as: int) -> Facts:
    """What the gates would read of it, by the counts inside the graph."""
    rows, labels = holdout()
    model = int8_digits(behaves_as)
    instrument(model, counts="full", like=None if behaves_as == ORIGINAL else onnx_digits(BETTER))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answer = dict(zip(names, session.run(names, {"X": rows}), strict=True))
    monitor, layout = Monitor("digits", "1", window=100, rows_per_second=1e9), layout_of(model)
    assert layout is not None
    GraphOutputs(layout, monitor).observe(answer)
    found: dict[tuple[str, str], list[float]] = {}
    for sample in (one for group in monitor.collect() for one in group):
        name, labels_of_it = sample.key
        for layer in set(LAYERS) & set(labels_of_it):
            found.setdefault((name.removeprefix("model_activation_"), layer), []).append(sample.value)

    def share(part: str, whole: str) -> list[float]:
        return [found[part, one][0] / found[whole, one][0] for one in LAYERS]

    magnitudes = [np.diff(np.sort(found["abs_bucket", one]), prepend=0.0) for one in LAYERS]
    return Facts(
        answer["CLASS"],
        float((answer["CLASS"] == labels).mean()),
        share("zero_elements_total", "elements_total"),
        share("window_dead_neurons_total", "window_neurons_total"),
        [one / one.sum() for one in magnitudes],
    )


def drift(copy: Facts, original: Facts) -> list[float]:
    return [jensen_shannon(one, known) for one, known in zip(copy.magnitudes, original.magnitudes, strict=True)]


def beyond(copy: Facts, original: Facts) -> set[str]:
    """Which of the page's gates on activations have a layer beyond their limit."""
    zeros = np.abs(np.subtract(copy.zeros, original.zeros)) > limits.ZERO_RATIO_SAME_WEIGHTS
    dead = np.greater(copy.dead, limits.DEAD_SAME_WEIGHTS.at(np.array(original.dead)))
    drifted = np.greater(drift(copy, original), DRIFT)
    found = {"zero-ratio": zeros, "dead-neurons": dead, "drift": drifted}
    return {name for name, layers in found.items() if layers.any()}


def test_a_good_copy_agrees_in_its_answers_and_inside() -> None:
    original, copy = facts_of(ORIGINAL), facts_of(GOOD_COPY)
    assert (copy.classes == original.classes).mean() > 0.98
    assert abs(copy.right - original.right) < 0.01
    assert beyond(copy, original) == set()


def test_a_badly_calibrated_copy_agrees_in_its_answers_but_not_inside() -> None:
    original, copy = facts_of(ORIGINAL), facts_of(BAD_COPY)
    assert (copy.classes == original.classes).mean() > AGREEMENT
    assert abs(copy.right - original.right) < 0.02
    assert beyond(copy, original) == {"zero-ratio", "dead-neurons", "drift"}


def test_the_pages_code_makes_that_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    onnx.save(onnx_digits(BETTER), "model.onnx")
    np.savez("calibration.npz", X=split()[0][:CALIBRATION_ROWS])
    exec(compile(code, str(PAGE), "exec"), {"__name__": "page"})
    assert onnx.load("int8.onnx").graph == int8_digits(GOOD_COPY).graph
