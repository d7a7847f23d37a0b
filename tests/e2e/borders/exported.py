"""What a hostile Pod exports: names and values that no telemetry of ours would, changing at every scrape if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.core.analysis.metrics import model_series as s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Line

NAMES = (
    "\u202egnp.exe",
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\rc\td",
    "\u2066\u200f\u0645",
    "e" + "\u0301" * 200,
    "\U0001f9d1\u200d\U0001f680" * 100,
    '"}) or vector(1) #',
    "__proto__",
    "{version}%s%n${jndi:x}",
    "A" * 4000,
    "::error file=a::forged",
    "\x00\x01\x7f\ufeff\u2028",
)
OF_LAYERS = (s.ELEMENTS, s.ZEROS, s.NEGATIVES, s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_SIZE)
VALUES = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, -1.0, 5e-324, 2.0**63, 0.0)


def layers(version: str, number: int, scrape: int) -> Iterator[Line]:
    """`number` layers with hostile names, their counters growing."""
    for index in range(number):
        labels = {"model": "digits", "version": version, "layer": f"{NAMES[index % len(NAMES)]}{index}"}
        for metric in OF_LAYERS:
            yield metric, labels, 100.0 if metric == s.WINDOW_SIZE else 5.0 * scrape


def labels(version: str, scrape: int) -> Iterator[Line]:
    """Every label that is read, with a hostile text."""
    for index, text in enumerate(NAMES):
        for metric, label in s.DETAIL.items():
            if metric not in {s.NONFINITE, s.INFO}:  # a breach is to be seen, and a digest has a case of its own
                named = {"model": "digits", "version": version, "layer": text, label: f"{text}{index}"}
                yield metric, named | {"job_": text, "pod": text}, 3.0 * scrape


def values(version: str, scrape: int) -> Iterator[Line]:
    """Counters of a layer that no process can have, each scrape another one."""
    named = {"model": "digits", "version": version, "layer": "hidden_1x"}
    for index, metric in enumerate((*OF_LAYERS[1:], s.EVALS_LOST, s.CORRECT, s.DURATION)):  # of all other gates
        yield metric, named | {"le": "1", "reason": "rank"}, VALUES[(scrape + index) % len(VALUES)]


def digests(version: str, scrape: int) -> Iterator[Line]:
    """Other weights at every scrape."""
    yield s.INFO, {"model": "digits", "version": version, "digest": f"d{scrape}\u202e"}, 1.0
