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


_FUNCTIONS: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "logistic": _logistic,
}


class WatchedMLP:
    """Gives the answers of a fitted MLPClassifier or MLPRegressor, and shows its hidden layers to a Monitor.

    Declares layers `hidden_1`, `hidden_2`, ... on the monitor. Units of a ReLU network are dead at exactly 0,
    others when tau-dormant at 0.025. Answers are the model's own to the last bit, and so are its errors: the hidden
    layers are computed beside them, which costs about as much again.
    """

    def __init__(self, model: Any, monitor: Monitor) -> None:
        for name in ("coefs_", "intercepts_", "activation", "out_activation_"):
            if not hasattr(model, name):
                kind = type(model).__name__
                raise TypeError(f"model={kind} lacks {name}: give a fitted MLPClassifier or MLPRegressor")
        if model.activation not in _FUNCTIONS:
            raise ValueError(f"activation {model.activation!r} is unknown: it must be one of {', '.join(_FUNCTIONS)}")
        self._model, self._monitor = model, monitor
        self._layers = [f"hidden_{index + 1}" for index in range(len(model.coefs_) - 1)]
        tau = None if model.activation == "relu" else 0.025
        monitor.add_layers(
            Layer(name, dormant_tau=tau, units=weights.shape[1])
            for name, weights in zip(self._layers, model.coefs_, strict=False)
        )

    def forward(self, x: Any) -> npt.NDArray[Any]:
        """The output layer's values, (rows, outputs): probabilities of a classifier, targets of a regressor."""
        proba = getattr(self._model, "predict_proba", None)
        values = np.asarray(self._model.predict(x) if proba is None else proba(x))
        self._watch(x)
        return values if values.ndim > 1 else values[:, None]

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """What the model's own `predict` gives."""
        answers: npt.NDArray[Any] = self._model.predict(x)
        self._watch(x)
        return answers

    def _watch(self, x: Any) -> None:
        """Never raises: whatever the model took and this does not is counted."""
        try:
            values = np.asarray(x.toarray() if hasattr(x, "toarray") else x, float)  # a sparse matrix of scipy's
            function = _FUNCTIONS[self._model.activation]
            with np.errstate(all="ignore"):
                hidden = zip(self._layers, self._model.coefs_, self._model.intercepts_, strict=False)
                for name, weights, bias in hidden:
                    values = function(values @ weights + bias)
                    self._monitor.observe(name, values)
        except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
            self._monitor.refuse_error("hidden", error)
