"""What each type of gate is shown: recorded samples for every verdict it can give, by each method that it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelrollout.core.analysis.gates.gate_input import Told
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.finding import Finding
from tests.unit.analysis.recorded import (
    GATEWAY_DURATION,
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    dead_windows,
    gateway,
    histogram,
    promoted,
    scrapes,
)

METHODS = ("Sequential", "Threshold")


@dataclass(frozen=True)
class Case:
    """One gate before recorded samples, `at` seconds after the rollout's start; `expects` its verdict."""

    title: str
    gate: dict[str, Any]
    expects: str
    at: float
    recordings: tuple[Recording, ...]
    values: tuple[Series, ...] = ()
    request: dict[str, Any] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)
    beside: tuple[dict[str, Any], ...] = ()
    """The other gates of the spec."""
    told: dict[str, Told] = field(default_factory=dict)
    """What the systems behind Webhook gates have said."""


def by_both(
    title: str, gate: dict[str, Any], expects: str, at: float, *recordings: Recording, **more: Any
) -> list[Case]:
    """The same samples, judged by either method."""
    return [
        Case(f"{gate['type']}, {title}, {method}", {**gate, "method": method}, expects, at, recordings, **more)
        for method in METHODS
    ]


def per_version(until: float, series: dict[str, tuple[Any, Any]], /, **labels: str) -> Recording:
    """Counters of both versions: growth per scrape of (stable, candidate), the candidate's from the start on."""
    found = Recording(scrapes(until))
    for metric, growths in series.items():
        for version, growth, since in zip(("1", "2"), growths, (-np.inf, START), strict=True):
            found.growing(metric, growth, since=since, model="digits", version=version, **labels)
    return found


def refusing(until: float, *, stable: float, candidate: float) -> Recording:
    """100 requests per scrape of both versions, so many of them refused."""
    found = Recording(scrapes(until), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, refused, since in (("1", stable, -np.inf), ("2", candidate, START)):
        for code, growth in (("200", 100 - refused), ("400", refused)):
            found.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    return found


def errors() -> Iterator[Case]:
    gate = {"name": "errors", "type": "ErrorRate"}
    yield from by_both("far above stable", gate, "FAIL", 300, gateway(300, stable=(230, 2), candidate=(10, 2)))
    yield from by_both("like stable", gate, "PASS", 3000, gateway(3000, stable=(230, 2), candidate=(230, 2)))
    yield from by_both("none in enough requests", gate, "PASS", 600, gateway(600, stable=(300, 0), candidate=(60, 0)))
    yield from by_both("too few requests", gate, "CONTINUE", 100, gateway(100, stable=(230, 2), candidate=(5, 0)))
    yield from by_both("no requests", gate, "NO_DATA", 120, gateway(120, stable=(230, 2), candidate=(0, 0)))
    yield from by_both("stable has none", gate, "NO_DATA", 600, gateway(600, stable=(0, 0), candidate=(60, 1)))
    leaning = gateway(150, stable=(230, 2), candidate=(58.3, 0.8))
    yield Case("ErrorRate, leaning against it, Sequential", gate, "CONTINUE", 150, (leaning,))
    yield from by_both("refuses what stable accepts", gate, "FAIL", 300, refusing(300, stable=1, candidate=10))
    yield from by_both("refuses as stable does", gate, "PASS", 3000, refusing(3000, stable=20, candidate=20))
    spoilt = gateway(600, stable=(300, 0), candidate=(60, 0))
    spoilt.reading(GATEWAY_REQUESTS, np.nan, since=START, code="503", service=backend("2"))
    yield from by_both("a counter that is no number", gate, "NO_DATA", 600, spoilt)
    near = gateway(300, stable=(230, 2), candidate=(10, 2))
    plain = {**gate, "method": "Threshold"}
    yield Case("ErrorRate, beyond the limit but not three times yet, Threshold", plain, "CONTINUE", 106, (near,))
    limits = {**gate, "max": "5%", "versusStable": {"ratio": 1.25, "plus": "0.1%"}}
    yield from by_both("two limits", limits, "FAIL", 600, gateway(600, stable=(200, 0), candidate=(196, 4)))
    baked = gateway(900, stable=(98, 2), candidate=(80, 20))
    yield from by_both("in the bake", gate, "FAIL", 600, baked, request={"bake_started_at": START + 300})


def accuracy() -> Iterator[Case]:
    gate = {"name": "accuracy", "type": "Accuracy"}

    def answers(until: float, stable: float, candidate: float, asked: float = 100) -> Recording:
        series = {s.EVALS: (100, asked), s.CORRECT: (stable, candidate)}
        return per_version(until, series, source="labels")

    yield from by_both("below its minimum", {**gate, "min": "92%"}, "FAIL", 600, answers(600, 97, 80))
    yield from by_both("worse than stable", gate, "FAIL", 600, answers(600, 97, 80))
    yield from by_both("like stable", gate, "PASS", 1200, answers(1200, 97, 97))
    yield from by_both("too few answers", gate, "CONTINUE", 60, answers(60, 97, 1.94, 2))
    yield from by_both("no answers", gate, "NO_DATA", 120, answers(120, 97, 0, 0))
    lost = per_version(600, {s.EVALS_LOST: (0, 300)}, reason="expired")
    yield from by_both("most answers lost", gate, "NO_DATA", 600, answers(600, 97, 97), lost)


def non_finite() -> Iterator[Case]:
    gate = {"name": "non-finite", "type": "NonFinite"}

    def rows(until: float, bad: float, each: float = 10) -> Recording:
        found = per_version(until, {s.SAMPLES: (10, each), s.ELEMENTS: (640, 64 * each)}, layer="h1")
        for version, growth, since in (("1", 0, -np.inf), ("2", bad, START)):
            labels = {"model": "digits", "version": version, "layer": "h1"}
            found.growing(s.NONFINITE, growth, since=since, kind="nan", **labels)
            found.growing(s.NONFINITE, 0, since=since, kind="inf", **labels)
        return found

    yield from by_both("a fifth of the rows", gate, "FAIL", 600, rows(600, 128))
    yield from by_both("no row", gate, "PASS", 3000, rows(3000, 0))
    yield from by_both("too few rows", gate, "CONTINUE", 60, rows(60, 0, 1))
    yield from by_both("no rows", gate, "NO_DATA", 120, rows(120, 0, 0))


def latency() -> Iterator[Case]:
    gate = {"name": "latency", "type": "Latency"}
    slow = histogram(600, stable={0.02: 200, 0.05: 1}, candidate={0.05: 30, 0.1: 10})
    alike = histogram(1200, stable={0.02: 200, 0.05: 1}, candidate={0.02: 200, 0.05: 1})
    few = histogram(60, stable={0.02: 200, 0.05: 1}, candidate={0.02: 2})
    none = histogram(120, stable={0.02: 200, 0.05: 1}, candidate={})
    beyond = histogram(600, stable={0.02: 200, 0.05: 1}, candidate={np.inf: 20})
    yield from by_both("above its maximum", {**gate, "max": "45ms"}, "FAIL", 600, slow)
    yield from by_both("slower than stable", gate, "FAIL", 600, slow)
    yield from by_both("beyond the last bucket", gate, "FAIL", 600, beyond)
    yield from by_both("like stable", gate, "PASS", 1200, alike)
    yield from by_both("too few requests", gate, "CONTINUE", 60, few)
    yield from by_both("no requests", gate, "NO_DATA", 120, none)
    yield from by_both(
        "buckets of other edges", gate, "NOT_COMPARABLE", 120, _buckets(("0.02", "+Inf"), ("0.3", "+Inf"))
    )
    yield from by_both("a single bucket", gate, "NO_DATA", 120, _buckets(("+Inf",), ("+Inf",)))
    yield from _quantiles(gate)
    no_histogram = gateway(120, stable=(200, 0), candidate=(20, 0))
    yield from by_both("no histogram", gate, "NO_DATA", 120, no_histogram)


def _quantiles(gate: dict[str, Any]) -> Iterator[Case]:
    """Where the quantile lies in the buckets, and which one decides."""
    outliers: dict[float, float] = {0.02: 200, np.inf: 1}
    same = histogram(600, stable=outliers, candidate=outliers)
    yield from by_both("outliers beyond all buckets in both", {**gate, "quantile": 0.9}, "PASS", 600, same)
    slower = histogram(600, stable={0.02: 190, 0.04: 17, 0.05: 1}, candidate={0.02: 30, 0.05: 10})
    yield Case("Latency, a wider quantile decides, Sequential", gate, "FAIL", 600, (slower,))
    end = histogram(600, stable={0.02: 200, np.inf: 20}, candidate={0.02: 200, np.inf: 20})
    yield from by_both("stable's quantile beyond the last bucket", gate, "PASS", 600, end)
    unseen = histogram(600, stable={0.02: 200, np.inf: 20}, candidate={0.02: 200, np.inf: 40})
    yield Case(
        "Latency, a maximum beyond the last bucket, Sequential", {**gate, "max": "1s"}, "CONTINUE", 600, (unseen,)
    )


def _buckets(stable: tuple[str, ...], candidate: tuple[str, ...]) -> Recording:
    """Durations of 20 requests per scrape of both versions, under these edges alone."""
    found = gateway(120, stable=(20, 0), candidate=(20, 0))
    for version, edges, since in (("1", stable, -np.inf), ("2", candidate, START)):
        for edge in edges:
            found.growing(GATEWAY_DURATION, 20, since=since, le=edge, code="200", service=backend(version))
    return found


def dead_neurons() -> Iterator[Case]:
    gate = {"name": "dead-neurons", "type": "DeadNeurons"}

    def layers(until: float, *candidate: float) -> tuple[Recording, ...]:
        return tuple(dead_windows(until, f"h{k + 1}", stable=7, candidate=dead) for k, dead in enumerate(candidate))

    yield from by_both("one layer dead", gate, "FAIL", 300, *layers(300, 74, 6))
    yield from by_both("two layers dead", gate, "FAIL", 300, *layers(300, 74, 90))
    yield from by_both("above its maximum", {**gate, "max": "20%"}, "FAIL", 300, *layers(300, 74))
    for at, title, verdict in ((1, "a layer cannot be read, another is dead", "FAIL"), (0, "the dead one", "NO_DATA")):
        read = layers(300, 74, 6)
        labels = {"model": "digits", "version": "2", "layer": f"h{at + 1}"}
        read[at].reading(s.WINDOW_DEAD, np.nan, since=START, **labels)
        yield from by_both(title if at else f"{title} cannot be read", gate, verdict, 300, *read)
    yield from by_both("alive", gate, "PASS", 600, *layers(600, 9, 5))
    for known, title in ((2, "two promoted versions known"), (3, "three promoted versions known")):
        past = {"promoted": tuple(promoted(f"p{n}", h1=0.06 + n / 100) for n in range(known))}
        yield from by_both(title, gate, "PASS", 600, *layers(600, 9), request=past)
        yield from by_both(f"{title}, dead", gate, "FAIL", 300, *layers(300, 74), request=past)
    yield Case("DeadNeurons, too few windows, Sequential", gate, "CONTINUE", 16, layers(16, 7))
    idle = dead_windows(300, "h1", stable=7, candidate=7)
    for metric in (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED):
        idle.growing(metric, 0, since=START, model="digits", version="2", layer="h1")
    yield from by_both("no window yet", gate, "NO_DATA", 300, idle)
    dropped = per_version(300, {s.DROPPED: (0, 18)}, reason="width")
    taken = per_version(300, {s.OBSERVATIONS: (20, 2)}, layer="h1")
    yield from by_both("most observations dropped", gate, "NO_DATA", 300, *layers(300, 7), dropped, taken)
    alone = Recording(scrapes(300)).growing(s.WINDOWS, 1, model="digits", version="1", layer="h1")
    yield from by_both("no telemetry", gate, "NO_DATA", 300, alone)
    only = Recording(scrapes(300)).growing(s.WINDOWS, 1, since=START, model="digits", version="2", layer="h1")
    yield from by_both("no telemetry of stable", gate, "NO_DATA", 300, only)
    sizes = dead_windows(300, "h1", stable=7, candidate=7, size=(200, 100))
    yield from by_both("windows of other sizes", gate, "NOT_COMPARABLE", 300, sizes)
    odd = dead_windows(300, "h1", stable=7, candidate=7)
    odd.growing(s.WINDOWS, 1, since=START, model="digits", version="2", layer="h9")
    yield from by_both("another layer", gate, "NOT_COMPARABLE", 300, odd)
    rules = dead_windows(300, "h1", stable=7, candidate=7)
    for version, rule in (("1", "zero"), ("2", "dormant<=0.025")):
        rules.reading(s.LAYER_INFO, 1, model="digits", version=version, layer="h1", dead_if=rule)
    yield from by_both("dead by another rule", gate, "NOT_COMPARABLE", 300, rules)


def ratios() -> Iterator[Case]:
    for kind, metric in (("ZeroRatio", s.ZEROS), ("NegativeRatio", s.NEGATIVES)):
        gate = {"name": "ratio", "type": kind}
        banded = {**gate, "within": ["30%", "70%"]}

        def shares(until: float, part: float, name: str = metric, of: float = 100) -> Recording:
            return per_version(until, {s.ELEMENTS: (100, of), name: (50, part)}, layer="h1")

        often = {"analysis": {"interval": "5s"}}
        yield from by_both("outside its band", banded, "FAIL", 1500, shares(1500, 90), **often)
        yield from by_both("inside its band", banded, "PASS", 1500, shares(1500, 50), **often)
        yield from by_both("drifted from stable", gate, "FAIL", 1500, shares(1500, 70), **often)
        yield from by_both("like stable", gate, "PASS", 1500, shares(1500, 51), **often)
        yield from by_both("too few evaluations", banded, "CONTINUE", 61, shares(61, 50), request={})
        yield from by_both("no values", banded, "NO_DATA", 120, shares(120, 0, of=0))
        yield from by_both("no telemetry", banded, "NO_DATA", 120, gateway(120, stable=(9, 1), candidate=(9, 1)))


def drift() -> Iterator[Case]:
    gate = {"name": "drift", "type": "Drift"}

    def magnitudes(until: float, small: float) -> Recording:
        found = per_version(until, {s.MAGNITUDES: (90, small)}, layer="h1", le="1")
        for version, since in (("1", -np.inf), ("2", START)):
            labels = {"model": "digits", "version": version, "layer": "h1", "le": "+Inf"}
            found.growing(s.MAGNITUDES, 100, since=since, **labels)
        return found

    often = {"analysis": {"interval": "5s"}}
    yield from by_both("beyond its limit", {**gate, "max": "10%"}, "FAIL", 900, magnitudes(900, 10))
    yield from by_both("within its limit", {**gate, "max": "10%"}, "PASS", 1800, magnitudes(1800, 89), **often)
    yield from by_both("reported only", gate, "CONTINUE", 900, magnitudes(900, 10))
    yield from by_both("too few evaluations", {**gate, "max": "10%"}, "CONTINUE", 130, magnitudes(130, 89))
    yield from by_both("no telemetry", gate, "NO_DATA", 120, gateway(120, stable=(9, 1), candidate=(9, 1)))


def queries() -> Iterator[Case]:
    gate = {"name": "orders", "type": "Query", "query": 'sum(x{v="{{version}}"})', "min": "10"}
    nan, inf = float("nan"), float("inf")

    def answer(*values: float) -> Series:
        return make_series({}, [(START + 15.0 * (k + 1), value) for k, value in enumerate(values)])

    rows: tuple[tuple[str, str, dict[str, Any], tuple[Series, ...]], ...] = (
        ("within its limit", "PASS", {}, (answer(*[12] * 8),)),
        ("beyond its limit", "FAIL", {}, (answer(*[12] * 5, *[3] * 3),)),
        ("beyond its limit twice", "CONTINUE", {}, (answer(*[12] * 6, *[3] * 2),)),
        ("above its maximum", "FAIL", {"min": None, "max": "10"}, (answer(*[12] * 8),)),
        ("outside its band", "FAIL", {"min": None, "within": ["1", "10"]}, (answer(*[12] * 8),)),
        ("not a number", "NO_DATA", {}, (answer(*[12] * 7, nan),)),
        ("infinite", "NO_DATA", {}, (answer(*[12] * 7, inf),)),
        ("several series", "NO_DATA", {}, (answer(*[12] * 8), answer(*[12] * 8))),
        ("no answer", "NO_DATA", {}, ()),
    )
    for title, expects, changes, values in rows:
        asked = {key: value for key, value in {**gate, **changes}.items() if value is not None}
        samples = (gateway(121, stable=(9, 1), candidate=(9, 1)),)
        yield Case(f"Query, {title}", asked, expects, 121, samples, values)
    worse = (gateway(300, stable=(230, 2), candidate=(10, 2)),)
    beside = ({"name": "errors", "type": "ErrorRate"},)
    yield Case("Query, not asked since another gate fails", gate, "NO_DATA", 300, worse, beside=beside)
    early = {"steps": ((5, START), (50, START + 119))}
    yield Case(
        "Query, a step that has just started", gate, "NO_DATA", 121, samples, (answer(*[12] * 8),), request=early
    )


def webhooks() -> Iterator[Case]:
    gate = {"name": "load", "type": "Webhook", "webhook": "load-test"}
    silent = Finding("WebhookSilent", "webhook load-test gives no verdict: it answered 500")
    unclear = Finding("WebhookUnclear", "webhook load-test gives no verdict: its answer is larger than 16 KiB")
    refused = Finding("WebhookNotAllowed", "no webhook load-test that namespace vision may have asked: have it listed")
    rows: tuple[tuple[str, str, Told | None], ...] = (
        ("agrees", "PASS", Told("PASS", "1,200 requests/s for 10 minutes", START + 60)),
        ("does not agree", "FAIL", Told("FAIL", "P99 of the load test is 2.1 s", START + 60)),
        ("is not done", "CONTINUE", Told("CONTINUE", "40 % of the load is sent", START + 60)),
        ("says no more than that", "CONTINUE", Told("CONTINUE", "", START + 60)),
        ("is silent", "NO_DATA", Told(problem=silent)),
        ("says nothing of use", "NO_DATA", Told(problem=unclear)),
        ("may not be asked", "NO_DATA", Told(problem=refused)),
        ("has not answered yet", "NO_DATA", Told()),
        ("is not asked yet", "NO_DATA", None),
    )
    for title, expects, told in rows:
        samples = (gateway(121, stable=(9, 1), candidate=(9, 1)),)
        yield Case(f"Webhook, {title}", gate, expects, 121, samples, told={} if told is None else {"load": told})


def cases() -> Iterator[Case]:
    """All of them, by type of gate."""
    for group in (errors, accuracy, non_finite, latency, dead_neurons, ratios, drift, queries, webhooks):
        yield from group()
