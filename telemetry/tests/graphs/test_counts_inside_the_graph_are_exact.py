"""What an instrumented graph counts is what numpy counts of the same activations, on any values."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto
from onnx_models import FLOATS, Watched, convolutional, model_of, one, series

from activation_health.graphs.layout import LEVELS, Level
from activation_health.measure.histogram import EDGES

SHAPES: tuple[tuple[int | str, ...], ...] = (("n", 3), ("n", 3, "a"), ("n", 3, 2, "b"))
KINDS = ("Relu", "LeakyRelu", "Elu", "HardSwish")


@cache
def watched(operator: str, kind: int, shape: tuple[int | str, ...], level: Level, opset: int) -> Watched:
    return Watched(model_of([one(operator)], shape, kind=kind, opset=opset), counts=level)


def special(kind: Any) -> list[float]:
    info = np.finfo(kind)
    found = [0.0, 1.0, np.nan, np.inf, info.max, info.tiny, info.smallest_subnormal]
    found += [edge for edge in EDGES if edge < info.max]
    found += [float(np.nextafter(kind(edge), kind(0))) for edge in EDGES if edge < info.max]
    return [float(value) for value in (*found, *(-value for value in found))]


@given(st.data())
def test_counts_equal_numpys_on_any_floats(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(FLOATS)))
    # On a CPU the runtime computes fp16 in float32: only what needs no rounding is the same as the output. Of doubles it
    # has no LeakyRelu from opset 16 on.
    known = KINDS if kind == TensorProto.FLOAT else KINDS[:1]
    operator = data.draw(st.sampled_from(known))
    level: Level = data.draw(st.sampled_from(LEVELS))
    opset = data.draw(st.sampled_from((16, 18, 21)))
    shape = data.draw(st.sampled_from(SHAPES))
    sizes = tuple(data.draw(st.integers(1, 4)) if isinstance(length, str) else length for length in shape)
    dtype = np.dtype(FLOATS[kind])
    width: Any = dtype.itemsize * 8
    values = data.draw(hnp.arrays(dtype, sizes, elements=st.sampled_from(special(dtype.type)) | st.floats(width=width)))
    graph = watched(operator, kind, shape, level, opset)
    outputs = graph.outputs(x=values)
    # A sum of magnitudes is a float's: what is dormant is compared on ordinary values below.
    by_graph, by_numpy = graph.monitors(outputs)
    exact = operator == "Relu"
    assert series(by_graph, windows=exact) == series(by_numpy, windows=exact)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_counts_equal_numpys_in_a_network_dormant_units_too(level: Level, rows: int) -> None:
    graph = Watched(convolutional(), counts=level)
    x = np.random.default_rng(rows).normal(size=(rows, 1, 9, 12)).astype(np.float32)
    by_graph, by_numpy = graph.monitors(graph.outputs(x=x), window=5)
    assert series(by_graph) == series(by_numpy)
    x[rows // 2, 0, 4, 4] = np.nan
    x[0, 0, 0, 0] = np.inf
    broken, by_numpy = graph.monitors(graph.outputs(x=x), window=5)
    assert series(broken) == series(by_numpy)
    assert series(broken) != series(by_graph)


def test_sums_that_overflow_accuse_nobody() -> None:
    """The guard sees infinity and has the values counted: there is none among them."""
    graph = watched("Relu", TensorProto.FLOAT, ("n", 3, "a"), "health", 14)
    by_graph, by_numpy = graph.monitors(graph.outputs(x=np.full((2, 3, 9), 3e38, np.float32)))
    assert series(by_graph) == series(by_numpy)
    assert not any(value for (name, labels), value in series(by_graph).items() if "nonfinite" in name)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_not_asked_for_is_not_counted(level: Level) -> None:
    graph = Watched(convolutional(), counts=level, on_demand=True)
    x = np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32)
    quiet, _ = graph.monitors(graph.outputs(x=x, asks=False))
    assert not any(value for (name, _), value in series(quiet).items() if name.endswith("samples_total"))
    by_graph, by_numpy = graph.monitors(graph.outputs(x=x, asks=True))
    assert series(by_graph) == series(by_numpy)


def test_series_that_are_not_looked_at_are_not_exported() -> None:
    graph = Watched(convolutional())
    by_graph, _ = graph.monitors(graph.outputs(x=np.ones((2, 1, 8, 8), np.float32)))
    names = {name for name, _ in series(by_graph)}
    assert "model_activation_nonfinite_elements_total" in names
    assert not names & {"model_activation_zero_elements_total", "model_activation_abs_bucket"}
