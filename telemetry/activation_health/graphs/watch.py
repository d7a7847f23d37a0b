"""The extra outputs of an instrumented graph become a Monitor's counts; needs numpy alone.

Rows are taken as they come: whatever is wrong with an answer's extra outputs is counted as dropped, never raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from activation_health.graphs.layout import COUNTS, FIRED, MAGNITUDE, GraphLayout
from activation_health.measure.exponents import ElementCounts
from activation_health.measure.histogram import EDGES, slot_starts
from activation_health.spec import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from activation_health.graphs.layout import GraphLayer
    from activation_health.monitor import Monitor

    Array = npt.NDArray[Any]

_WIDTH = 512  # the codes of a float32: into these the graph's counts are written


class GraphOutputs:
    """Shows a Monitor what an instrumented graph counted; declares the layout's layers on it.

    `observe` takes the extra outputs of one run by name, as numpy arrays; others in the mapping are passed over.
    """

    def __init__(self, layout: GraphLayout, monitor: Monitor) -> None:
        self._layout, self._monitor = layout, monitor
        monitor.add_layers(layer.declared(layout.level) for layer in layout.layers)
        self._units: list[tuple[GraphLayer, str, slice]] = []
        filled = dict.fromkeys((FIRED, MAGNITUDE), 0)
        for layer in layout.layers:
            name = FIRED if layer.dormant_tau is None else MAGNITUDE
            self._units.append((layer, name, slice(filled[name], filled[name] + layer.units)))
            filled[name] += layer.units
        self._widths = {FIRED: filled[FIRED], MAGNITUDE: filled[MAGNITUDE]}

    def observe(self, outputs: Mapping[str, Array]) -> None:
        """Add the rows of one run. Never raises."""
        try:
            counts = self._columns(outputs)
        except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
            self._monitor.refuse_error("graph", error)
            return
        if not counts[:, 0].any():  # nobody asked for it
            return
        for index, (layer, name, units) in enumerate(self._units):
            rows = GraphRows(counts[:, :, index], outputs[name][:, units], layer.units)
            self._monitor.observe_batch(layer.name, rows.rows, layer.units, rows.part)

    def _columns(self, outputs: Mapping[str, Array]) -> Array:
        """The counts as (rows, columns, layers); raises RefusedError where an output is missing or misshapen."""
        layers, columns = len(self._layout.layers), len(self._layout.columns)
        widths = {COUNTS: layers * columns} | {name: width for name, width in self._widths.items() if width}
        for name, width in widths.items():
            array = outputs.get(name)
            if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != width:  # noqa: PLR2004
                shape = getattr(array, "shape", type(array).__name__)
                raise RefusedError("width", f"output {name!r} has {shape}, not (rows, {width})")
        if len({len(outputs[name]) for name in widths}) != 1 or not len(outputs[COUNTS]):
            raise RefusedError("empty", f"the outputs have {[len(outputs[name]) for name in widths]} rows")
        return outputs[COUNTS].astype(np.int64).reshape(-1, columns, layers)


class GraphRows:
    """A Batch of one layer, counted inside the graph: `counts` (rows, columns), `units` (rows, units)."""

    def __init__(self, counts: Array, units: Array, width: int) -> None:
        self._counts, self._units, self._width = counts, units, width
        self.rows = len(counts)

    def part(self, rows: slice) -> GraphRows:
        return GraphRows(self._counts[rows], self._units[rows], self._width)

    def counts(self) -> ElementCounts:
        positions, nans, infs, *rest = self._counts.sum(axis=0).tolist()
        elements = positions * self._width
        codes = np.zeros(_WIDTH, np.int64)
        starts = slot_starts(_WIDTH)[: len(EDGES) + 3]
        codes[starts[-1]] = nans + infs
        if not rest:  # magnitudes were not looked at: the series that would tell are not exported
            codes[0] = elements - nans - infs
            return ElementCounts(codes, _WIDTH, elements, nans)
        zeros, negatives, *below = rest
        codes[starts[1:-1]] = np.diff([0, *below, elements - nans - infs])
        return ElementCounts(codes, _WIDTH, elements - zeros, nans, negatives)

    def fired(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        flags: npt.NDArray[np.bool_] = np.logical_or.reduce(self._units[start:stop], axis=0)
        return flags

    def magnitude(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        positions = self._counts[start:stop, :1].astype(np.float64)
        sums: npt.NDArray[np.float64] = (self._units[start:stop] / positions).sum(axis=0)
        return sums
