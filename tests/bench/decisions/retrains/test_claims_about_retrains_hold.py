"""What `make bench-decisions` claims about retrains holds for the networks on record, and the record is as it says."""

from __future__ import annotations

import numpy as np
import pytest

from activation_health import Layer, Monitor
from tests.bench.decisions.retrains.measure import measure
from tests.bench.decisions.retrains.record import dead_units
from tests.bench.decisions.retrains.recorded import ARCHITECTURES, DATA, POOL, SEEDS, WINDOWS, groups
from tests.bench.decisions.targets import claims
from tests.draws import fixed
from tests.lab.models import Architecture, train


def test_every_architecture_and_data_set_is_on_record_with_twenty_equally_good_networks() -> None:
    found = list(groups())
    wanted = [(data, one, window) for data in DATA for one in ARCHITECTURES for window in WINDOWS]
    assert [(group.data, group.architecture, group.window) for group in found] == wanted
    for group in found:
        assert len(group.networks) == SEEDS
        accuracies = [network.accuracy for network in group.networks]
        assert min(accuracies) > 0.93
        assert max(accuracies) - min(accuracies) < 0.04
        for network in group.networks:
            assert [len(dead) for dead in network.dead] == [POOL] * len(group.architecture.hidden)
            assert all((dead <= width).all() for dead, width in zip(network.dead, network.widths, strict=True))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1200)  # a minute of arithmetic, and as much more as the machine is busy
def test_every_claim_about_retrains_holds_and_the_network_with_dead_layers_is_always_found() -> None:
    found = measure()
    assert [claim for claim in claims(found) if not claim.met] == []
    assert all((one.found, one.windows) == (one.runs, 2) for one in found.broken)
    assert all(one.loss.ever >= 0.999 * one.loss.runs for one in found.learned)
    assert sum(case.accused_tight for case in found.cases) > 100 * sum(case.accused for case in found.cases)


@pytest.mark.parametrize("tau", [None, 0.025])
def test_dead_units_on_record_are_those_that_the_library_counts(tau: float | None) -> None:
    draws = fixed(3)
    scales = np.geomspace(1e-3, 1, 9) * (np.arange(9) > 0)  # one silent, some on either side of dormant
    rows = draws.normal(size=(60, 9, 4)) * scales[:, None]
    picks = draws.randint(0, 60, (5, 20))
    monitor = Monitor("m", "1", [Layer("h", dormant_tau=tau)], window=20, rows_per_second=1e9)
    for pick in picks:
        monitor.observe("h", rows[pick])
    counted = {sample.key[0]: sample.value for group in monitor.collect() for sample in group}
    mine = dead_units(np.abs(rows).mean(axis=2), picks, tau)
    assert counted["model_activation_window_dead_neurons_total"] == mine.sum() > 0


@pytest.mark.parametrize("activation", ["ReLU", "LeakyReLU", "GELU"])
@pytest.mark.parametrize("convolution", [False, True])
def test_networks_descend_the_slope_of_their_loss(activation: str, convolution: bool) -> None:
    draws = fixed(4)
    images = draws.normal(size=(12, 7, 6, 2))  # so large that neighbourhoods overlap in the second layer too
    labels = np.arange(12) % 3
    architecture = Architecture("small", (5, 4), activation, convolution=convolution, epochs=1)
    network = train(architecture, images.astype(np.float32), labels, seed=1)
    for arrays in (network.weights, network.biases):
        arrays[:] = [array.astype(np.float64) for array in arrays]
    for layer, (slope, _) in enumerate(network.gradients(images, labels)):
        weight = network.weights[layer]
        at = np.unravel_index(np.abs(slope).argmax(), slope.shape)
        before, losses = weight[at], []
        for step in (1e-4, -1e-4):
            weight[at] = before + step
            losses.append(network.loss(images, labels))
        weight[at] = before
        assert (losses[0] - losses[1]) / 2e-4 == pytest.approx(slope[at], rel=1e-3)
