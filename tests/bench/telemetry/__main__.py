"""What watching activations costs, in CPU time and in Triton's P99, and how fair its windows are.

Costs are ratios of paired blocks, medians with the interval that order statistics give (95 %): on a shared machine
only what ran side by side can be compared. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: CPU time of one thread, not of its spinning peers

import numpy as np
from rich.console import Console
from rich.table import Table

from activation_health import Monitor
from tests.bench.telemetry import fairness
from tests.bench.telemetry.triton_latency import RATE, rounds
from tests.lab.models import BETTER, DEAD_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH = 8
EVERYTHING = 1e12
BLOCKS = 60


def cpu_seconds(work: Callable[[], object], times: int) -> float:
    started = time.thread_time_ns()
    for _ in range(times):
        work()
    return (time.thread_time_ns() - started) / times / 1e9


def paired(work: Callable[[], object], reference: Callable[[], object], times: int) -> np.ndarray:
    """Ratios of CPU time, block by block, the two in turns within each block."""
    work()
    reference()
    return np.array([cpu_seconds(work, times) / cpu_seconds(reference, times) for _ in range(BLOCKS)])


def interval(values: Sequence[float] | np.ndarray) -> str:
    """The median and its 95 % interval from order statistics."""
    ordered = np.sort(values)
    reach = int(np.floor((len(ordered) - 1.96 * np.sqrt(len(ordered))) / 2))
    low, high = ordered[max(reach, 0)], ordered[min(len(ordered) - 1 - reach, len(ordered) - 1)]
    return f"{np.median(ordered):.3g} [{low:.3g}, {high:.3g}]"


class Network:
    """A two-layer ReLU perceptron as a server would run it, watched or not."""

    def __init__(self, width: int, one_in: int) -> None:
        random = np.random.default_rng(0)
        self.weights = [random.normal(0, 2 / width**0.5, (width, width)).astype(np.float32) for _ in range(2)]
        self.x = np.abs(random.normal(size=(BATCH, width))).astype(np.float32)
        self.hidden = [self.x, self.x]
        self.monitor = Monitor("bench", "1", ["hidden_1", "hidden_2"], rows_per_second=EVERYTHING, one_in=one_in)

    def forward(self) -> None:
        x = self.x
        for index, matrix in enumerate(self.weights):
            x = self.hidden[index] = np.maximum(x @ matrix, 0)

    def observe(self) -> None:
        self.monitor.observe("hidden_1", self.hidden[0])
        self.monitor.observe("hidden_2", self.hidden[1])


def pass_cost() -> tuple[str, str, str, str]:
    network = Network(4096, 1)
    network.forward()
    array = network.hidden[1]
    ratio = paired(lambda: network.monitor.observe("hidden_2", array), lambda: np.count_nonzero(array), 40)
    limit = "bincount over the exponent codes, over 1 ns a value: half of the pass"
    return "one pass, (8, 4096) float32, in np.count_nonzero", interval(ratio), "6", limit


def sampled_cost(width: int, one_in: int, aim: str, times: int) -> tuple[str, str, str, str]:
    network = Network(width, one_in)
    network.forward()
    # A block holds whole rounds of the sampling, or its share would swing with their number.
    share = paired(network.observe, network.forward, times) * 100
    limit = "Python's own calls; rows of four requests share a pass" if width <= 512 else "the pass above"
    return f"2 x {width}, 1 in {one_in}, % of the forward pass", interval(share), aim, limit


def costs(console: Console) -> None:
    table = Table(
        "what", "median [95 %]", "aim", "limited by", title=f"CPU time, batch {BATCH}, {BLOCKS} paired blocks"
    )
    for row in (
        pass_cost(),
        sampled_cost(4096, 10, "1", 20),
        sampled_cost(512, 10, "5", 200),
        sampled_cost(4096, 1, "-", 10),
        sampled_cost(512, 1, "-", 100),
    ):
        table.add_row(*row)
    console.print(table)


def verdicts(console: Console) -> None:
    table = Table("what", "share or windows", "aim", title="Fairness on the digits' activations, windows of 200 rows")
    traffic = fairness.Traffic(minutes=120)
    for layer in (0, 1):
        flags = fairness.fired(BETTER, layer)
        units = flags.shape[1]
        stable, candidate = fairness.dead_pool(flags, 200, 2), fairness.dead_pool(flags, 200, 1)
        over_all = fairness.dead_pool(flags, 20_000, 3, size=20).mean()
        naive = fairness.naive_accusations(candidate, over_all, units)
        table.add_row(f"layer {layer + 1}: healthy, accused at unequal n (what this avoids)", f"{naive:.1%}", "-")
        for profile in ("SameWeights", "Retrain"):
            healthy = fairness.rollouts(candidate, stable, units, traffic, profile, number=1000)
            accused = healthy.failing.any(axis=1).mean()
            table.add_row(f"layer {layer + 1}: healthy, 1:100 traffic, accused, {profile}", f"{accused:.1%}", "1 %")
        damaged = fairness.dead_pool(fairness.fired(BETTER, layer, kill=0.05), 200, 4)
        found = fairness.rollouts(damaged, stable, units, traffic, "SameWeights", number=1000, share=0.5)
        needed = np.quantile(fairness.windows_to_failure(found), [0.5, 0.95])
        table.add_row(
            f"layer {layer + 1}: 5 % killed, SameWeights, windows (P50, P95)", f"{needed[0]:g}, {needed[1]:g}", "20"
        )
        broken = fairness.dead_pool(fairness.fired(DEAD_UNITS, layer), 200, 4)
        found = fairness.rollouts(broken, stable, units, traffic, "Retrain", number=1000, share=0.5)
        needed = np.quantile(fairness.windows_to_failure(found), [0.5, 0.95])
        table.add_row(f"layer {layer + 1}: v3, Retrain, windows (P50, P95)", f"{needed[0]:g}, {needed[1]:g}", "-")
    console.print(table)


def latency(console: Console, number: int, seconds: float) -> None:
    console.print(f"Triton: {number} rounds of {seconds:g} s, each server {RATE:g} requests/s, in turns ...")
    with tempfile.TemporaryDirectory() as folder:
        seen = rounds(Path(folder), number=number, seconds=seconds)
    table = Table(
        "quantile", "on, ms", "off, ms", "on / off, median of rounds [95 %]", title="Triton with telemetry on and off"
    )
    for quantile in (0.5, 0.9, 0.99):
        on, off = (np.median([np.quantile(getattr(one, name), quantile) for one in seen]) for name in ("on", "off"))
        ratios = interval([one.ratio(quantile) for one in seen])
        table.add_row(f"P{quantile * 100:g}", f"{on:.2f}", f"{off:.2f}", ratios)
    console.print(table)
    console.print(
        "Aim for P99: 1.25. The likely limit, not isolated: the interpreter lock, shared with the flushing thread."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds against the real Triton; 0 leaves it out")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a round")
    chosen = parser.parse_args()
    console = Console(width=120)
    costs(console)
    verdicts(console)
    if chosen.rounds:
        latency(console, chosen.rounds, chosen.seconds)


if __name__ == "__main__":
    main()
