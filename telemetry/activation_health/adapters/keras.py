"""Keras 3 layers are watched by what they give, on any backend; values are counted in numpy.

Needs the extra `keras`. What a compiled graph computes (predict and fit of TensorFlow and JAX) is not seen: call the
model, `model(x)`, or compile it with `run_eagerly=True`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import keras

from activation_health.adapters.keras_layers import DORMANT, ZERO, kind_of, leave, paths, watch
from activation_health.monitor import MAX_LAYERS, Monitor, label_problem
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

DORMANT_TAU = 0.025


class Attachment:
    """The layers of one `attach`; `layers` names what is watched, `skipped` what is not and why. A context too."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.layers: list[str] = []
        self.skipped: dict[str, str] = {}
        self._watched: list[tuple[Any, Callable[[Any], None]]] = []

    def watch(self, name: str, layer: Any) -> None:
        """Show the monitor what `layer` gives, from now on."""
        seen = partial(self._observe, name)
        watch(layer, seen)
        self._watched.append((layer, seen))
        self.layers.append(name)

    def detach(self) -> None:
        """Leave the layers as they were; the monitor keeps its counts. Safe to call twice."""
        while self._watched:
            leave(*self._watched.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def _observe(self, name: str, output: Any) -> None:
        """Never raises: whatever this does not take is counted."""
        try:
            if isinstance(output, keras.KerasTensor):
                return  # a model that is being built has no values
            values = _values(output)
            if values is None:
                self.monitor.refuse("tracing", f"layer {name!r} gave a {type(output).__name__} in a compiled graph")
            else:
                self.monitor.observe(name, values)
        except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
            self.monitor.refuse_error(name, error)


def attach(
    model: keras.Model,
    monitor: Monitor,
    *,
    names: Iterable[str] | None = None,
    channel_axis: int | Mapping[str, int] = -1,
) -> Attachment:
    """Watch a model's activations, at any depth; declares one layer a watched layer, under its path in the model.

    Without `names` every ReLU-like layer and every layer with such an activation, as in Dense(8, "relu"); with, every
    layer whose path matches one of these patterns (`*` as in file names). Units are dead at exactly 0 for relu and
    relu6, else when tau-dormant at 0.025. Units lie on the last axis; `channel_axis` says otherwise, for all or by
    pattern. Raises TypeError or ValueError when nothing can be watched; then nothing is changed.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model={type(model).__name__} must be a keras.Model")
    if not isinstance(monitor, Monitor):
        raise TypeError(f"monitor={type(monitor).__name__} must be an activation_health.Monitor")
    patterns = None if names is None else (names,) if isinstance(names, str) else tuple(names)
    attachment = Attachment(monitor)
    found: list[tuple[Any, Layer]] = []
    for name, layer in paths(model):
        kind = kind_of(layer)
        wanted = kind in ZERO | DORMANT if patterns is None else any(fnmatchcase(name, one) for one in patterns)
        problem = label_problem(name) or ("" if len(found) < MAX_LAYERS else f"is one more than {MAX_LAYERS}")
        if wanted and problem:
            attachment.skipped[name] = problem
        elif wanted:
            axis = _axis_of(name, channel_axis)
            tau = None if kind in ZERO else DORMANT_TAU
            found.append((layer, Layer(name, dormant_tau=tau, channel_axis=axis)))
    if not found:
        have = ", ".join(name for name, _ in paths(model))[:500] or "none; build or call it first"
        raise ValueError(f"{type(model).__name__} has no layer that could be watched; names=[...] out of {have}")
    monitor.add_layers(spec for _, spec in found)
    for layer, spec in found:
        attachment.watch(spec.name, layer)
    return attachment


def _values(output: Any) -> Any:
    """In numpy; None for what stands for values in a compiled graph."""
    if "Tracer" in type(output).__name__ or type(output).__name__ in {"SymbolicTensor", "FakeTensor", "Proxy"}:
        return None
    values = keras.ops.convert_to_numpy(output)
    return values.astype("float32") if values.dtype.name == "bfloat16" else values


def _axis_of(name: str, channel_axis: int | Mapping[str, int]) -> int:
    if isinstance(channel_axis, int):
        return channel_axis
    return next((axis for pattern, axis in channel_axis.items() if fnmatchcase(name, pattern)), -1)
