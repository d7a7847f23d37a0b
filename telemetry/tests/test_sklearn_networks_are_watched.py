"""A watched scikit-learn network answers as the original does, and shows its hidden layers."""

from __future__ import annotations

import numpy as np
import pytest
from series_reading import value_of, values_of

from activation_health import Monitor
from activation_health.adapters.sklearn import WatchedMLP

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def neural_network():
    """Imported when the first test runs: it takes longer than all of them."""
    return pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed: extra `lab`")


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 6))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def watched(model, **options) -> tuple[WatchedMLP, Monitor]:
    monitor = Monitor("m", "1", window=20, rows_per_second=1e9)
    return WatchedMLP(model, monitor, **options), monitor


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_probabilities_and_classes_are_the_models_own(neural_network, activation: str) -> None:
    x, y = data()
    model = neural_network.MLPClassifier(
        hidden_layer_sizes=(8, 5), activation=activation, max_iter=20, random_state=0
    ).fit(x, y)
    network, monitor = watched(model)
    np.testing.assert_allclose(network.forward(x), model.predict_proba(x), atol=1e-9)
    assert (network.predict(x) == model.predict(x)).all()
    assert value_of(monitor, "model_activation_samples_total", "hidden_2") == 240
    criterion = "zero" if activation == "relu" else "dormant<=0.025"
    assert ("model_activation_layer_info", ("m", "1", "hidden_1", criterion)) in values_of(monitor)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_binary_multilabel_and_regression_answer_as_the_model_does(neural_network) -> None:
    x, y = data()
    names = np.array(["no", "yes"])[y % 2]
    labels = np.stack([y == 0, y == 2], axis=1).astype(int)
    for model, target in (
        (neural_network.MLPClassifier(hidden_layer_sizes=(4,), max_iter=20, random_state=0), names),
        (neural_network.MLPClassifier(hidden_layer_sizes=(4,), max_iter=20, random_state=0), labels),
        (neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0), x[:, 2]),
        (neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0), x[:, :2]),
    ):
        model.fit(x, target)
        network, _ = watched(model)
        if target.dtype.kind == "f":
            np.testing.assert_allclose(network.predict(x), model.predict(x), atol=1e-9)
        else:
            assert (network.predict(x) == model.predict(x)).all()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_dead_units_equal_those_of_the_weights(neural_network) -> None:
    x, y = data()
    model = neural_network.MLPClassifier(
        hidden_layer_sizes=(16,), solver="adam", learning_rate_init=0.5, max_iter=20, random_state=0
    )
    model.fit(x, y)
    network, monitor = watched(model)
    network.predict(x[:100])
    hidden = np.maximum(x[:100] @ model.coefs_[0] + model.intercepts_[0], 0).reshape(5, 20, 16)
    assert (
        value_of(monitor, "model_activation_window_dead_neurons_total", "hidden_1") == (hidden == 0).all(axis=1).sum()
    )


def test_a_model_that_was_not_fitted_is_refused(neural_network) -> None:
    with pytest.raises(TypeError, match="lacks coefs_: give a fitted"):
        watched(neural_network.MLPClassifier())
