"""Histograms as people configure them, and two versions' latencies in them."""

from __future__ import annotations

from math import erf, log, sqrt
from typing import Any

import numpy as np

from tests.draws import fixed
from tests.unit.analysis.recorded import GATEWAY_DURATION, GATEWAY_REQUESTS, START, Recording, backend, scrapes

Spread = tuple[tuple[float, ...], tuple[float, ...]]
"""Finite edges in seconds, and the share of requests in each bucket, the one beyond the last edge included."""
FINE = tuple(0.01 * 1.09**k for k in range(40))
FEW = (0.01, 0.02, 0.05)


def lognormal(edges: tuple[float, ...], median: float = 0.05, sigma: float = 0.4) -> Spread:
    below = [0.5 * (1 + erf(log(edge / median) / sigma / sqrt(2))) for edge in edges]
    return edges, tuple(np.diff([0.0, *below, 1.0]).tolist())


def atoms(edges: tuple[float, ...], **shares: float) -> Spread:
    """Shares by bucket: b0=..., b3=...; the others have none."""
    found = np.zeros(len(edges) + 1)
    for name, share in shares.items():
        found[int(name[1:])] = share
    return edges, tuple((found / found.sum()).tolist())


LAYOUTS: dict[str, Spread] = {
    "nearly all in the first bucket, some beyond the allowed edge": atoms(FEW, b0=9.955, b1=0.005, b2=0.04),
    "one bucket holds all": atoms(FEW, b0=1.0),
    "the last finite bucket holds all": atoms(FEW, b2=1.0),
    "stable's quantile in the last finite bucket": atoms(FEW, b0=0.5, b1=0.3, b2=0.2),
    "stable's quantile beyond the last edge": atoms(FEW, b0=0.8, b1=0.04, b2=0.01, b3=0.15),
    "nearly 1 % beyond the last edge": atoms(FEW, b0=0.97, b1=0.02, b2=0.0001, b3=0.0099),
    "one edge": atoms((0.05,), b0=0.999, b1=0.001),
    "one edge, a tenth beyond it": atoms((0.05,), b0=0.9, b1=0.1),
    "growth 1.09": lognormal(FINE),
    "growth 1.25": lognormal(tuple(0.01 * 1.25**k for k in range(16))),
    "growth 2": lognormal(tuple(0.005 * 2.0**k for k in range(9))),
    "growth 10": lognormal((0.001, 0.01, 0.1, 1.0, 10.0)),
    "a long tail": lognormal(FINE, sigma=1.5),
    "outliers far beyond all buckets, just within each quantile": atoms(FINE, b0=0.9001, b10=0.09, b40=0.0099),
}


def recorded(
    until: float, stable: Spread, candidate: Spread, *, each: tuple[int, int] = (60, 240), seed: int = -1
) -> Any:
    """Samples of both versions at the gateway, (candidate's, stable's) requests a scrape: evenly spread, or drawn."""
    rec, rng = Recording(scrapes(until), "traefik"), fixed(max(seed, 0))
    for version, (edges, shares), since, number in (
        ("1", stable, -np.inf, each[1]),
        ("2", candidate, START, each[0]),
    ):
        if seed < 0:
            due = np.cumsum(np.outer(np.full(rec.times.shape, number), shares), axis=0)
            counts = np.diff(np.floor(due + 1e-9), axis=0, prepend=0.0)
        else:
            counts = np.array([rng.multinomial(number, shares) for _ in rec.times], dtype=float)
        labels = {"code": "200", "service": backend(version)}
        rec.growing(GATEWAY_REQUESTS, counts.sum(axis=1), since=since, **labels)
        for at, edge in enumerate((*edges, np.inf)):
            le = "+Inf" if np.isinf(edge) else f"{edge:.6g}"
            rec.growing(GATEWAY_DURATION, counts[:, : at + 1].sum(axis=1), since=since, le=le, **labels)
    return rec
