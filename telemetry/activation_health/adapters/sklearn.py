"""scikit-learn's multi-layer perceptrons, watched through their public attributes; scikit-learn is not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from activation_health.monitor import Monitor


def _logistic(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = 0.5 * (1 + np.tanh(0.5 * x))  # does not overflow where exp would
    return values


def _softmax(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    odds = np.exp(x - x.max(axis=1, keepdims=True))
    values: npt.NDArray[Any] = odds / odds.sum(axis=1, keepdims=True)
    return values


_FUNCTIONS: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "logistic": _logistic,
    "softmax": _softmax,
}


class WatchedMLP:
    """Predicts as a fitted MLPClassifier or MLPRegressor does, and shows its hidden layers to a Monitor.

    Declares layers `hidden_1`, `hidden_2`, ... on the monitor. Units of a ReLU network are dead at exactly 0,
    others when tau-dormant at 0.025.
    """

    def __init__(self, model: Any, monitor: Monitor) -> None:
        for name in ("coefs_", "intercepts_", "activation", "out_activation_"):
            if not hasattr(model, name):
                kind = type(model).__name__
                raise TypeError(f"model={kind} lacks {name}: give a fitted MLPClassifier or MLPRegressor")
        self._model, self._monitor = model, monitor
        self._layers = [f"hidden_{index + 1}" for index in range(len(model.coefs_) - 1)]
        tau = None if model.activation == "relu" else 0.025
        for name, weights in zip(self._layers, model.coefs_, strict=False):
            monitor.add_layer(Layer(name, dormant_tau=tau, units=weights.shape[1]))

    def forward(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """The output layer's values, (rows, outputs): probabilities of a classifier, targets of a regressor."""
        values = np.asarray(x)
        hidden, output = _FUNCTIONS[self._model.activation], _FUNCTIONS[self._model.out_activation_]
        *inner, last = zip(self._model.coefs_, self._model.intercepts_, strict=True)
        for name, (weights, bias) in zip(self._layers, inner, strict=True):
            values = hidden(values @ weights + bias)
            self._monitor.observe(name, values)
        return output(values @ last[0] + last[1])

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """What the model's own `predict` gives."""
        values = self.forward(x)
        classes: npt.NDArray[Any] | None = getattr(self._model, "classes_", None)
        if classes is None:
            return values.ravel() if values.shape[1] == 1 else values
        chosen: npt.NDArray[Any]
        if self._model.out_activation_ == "softmax":
            chosen = np.take(classes, values.argmax(axis=1))
            return chosen
        likely = values > 0.5  # noqa: PLR2004 - a probability; binary has one output, multi-label several
        chosen = np.take(classes, likely[:, 0].astype(int)) if values.shape[1] == 1 else likely.astype(int)
        return chosen
