"""Random histories of names: any number of moves in a row, names that come back, pods that a federation renames."""

from __future__ import annotations

import random
from dataclasses import replace

from modelrollout.core.analysis.metrics.samples import SampleStore
from tests.unit.analysis.metrics.worlds import Name, Process, delivered, process

KINDS = ("add", "remove", "rename", "value", "job", "port", "back", "back")
FIXED = ("job", "instance", "ip")
FEDERATED = {"job": "federate", "instance": "global:9090", "zone": "b", "pod": "a"}


def renamed_world(seed: int, *, restarts: bool, bad: bool, crashes: bool) -> tuple[list[Process], SampleStore]:
    """Pods whose names change as often as every scrape. `crashes`: most new names are new lives too."""
    rng = random.Random(seed)
    together = _names(rng, 60, {**FEDERATED, "ip": ""}, moves=False) if rng.random() < 0.4 else None
    pods = []
    for pod in range(rng.randrange(1, 5)):
        one = process(rng, pod, restarts=restarts, bad=bad)
        if together is None:
            own = {"job": "triton", "instance": f"10.0.0.{pod}:8000", "zone": "b", "pod": "a"}
            one.names = _names(rng, one.scrapes, own, moves=True)
        else:
            ip = f"10.0.0.{pod}"
            one.names = [replace(name, labels={**name.labels, "ip": ip}) for name in together]
        one.names = [name for name in one.names if name.first < one.scrapes]
        if crashes:
            one.restarts |= {name.first for name in one.names[1:] if rng.random() < 0.7}
        _made_possible(one)
        pods.append(one)
    return pods, delivered([series for one in pods for series in one.series(rng)], rng)


def _names(rng: random.Random, scrapes: int, base: dict[str, str], *, moves: bool) -> list[Name]:
    names: list[Name] = []
    labels, at, moved = dict(base), 0, False
    while at < scrapes:
        length = rng.choice([1, 1, 2, 3, rng.randrange(2, 40), rng.randrange(2, 40)])
        following = at + length
        overlap = rng.randrange(1, 4) if rng.random() < 0.2 else 0
        names.append(Name(at, following - 1 + overlap, dict(labels), rng.randrange(4), moved))
        at = following + (rng.randrange(1, 4) if rng.random() < 0.1 else 0)
        before = dict(labels)
        for _ in range(1 + (rng.random() < 0.3)):
            kind = rng.choice(KINDS)
            # one label with another value at each scrape is a crash loop to whoever sees it
            impossible = (kind == "value" and length < 4) or (kind in {"job", "port"} and not moves)
            labels = _moved(rng, "add" if impossible else kind, labels, names, at)
        if any(name.labels == labels and name.last >= at - 2 for name in names):
            labels[f"team{at}"] = "vision"
        if before["instance"] != labels["instance"]:  # two ports that are scraped at once are two processes
            for name in names:
                name.last = min(name.last, following - 1)
        moved = (before["job"], before["instance"]) != (labels["job"], labels["instance"])
    return names


def _moved(rng: random.Random, kind: str, labels: dict[str, str], names: list[Name], at: int) -> dict[str, str]:
    """The labels after one move at scrape `at`."""
    free = sorted(set(labels) - set(FIXED))
    gone = [one.labels for one in names if all(two.last < at - 2 for two in names if two.labels == one.labels)]
    if kind == "back":
        return dict(rng.choice(gone)) if gone else labels
    if kind in {"remove", "rename"}:
        if not free:
            return labels
        name = rng.choice(free)
        rest = {key: value for key, value in labels.items() if key != name}
        return rest if kind == "remove" else {**rest, f"r{at}": labels[name]}
    changed = {
        "value": {"zone": f"z{at}"},
        "job": {"job": f"triton-{at}"},
        "port": {"instance": f"{labels['instance'].rpartition(':')[0]}:{9000 + at}"},
    }
    return {**labels, **changed.get(kind, {f"team{at}": "vision"})}


def _made_possible(one: Process) -> None:
    """No old name outlives a restart under a new one, no life begins unseen, none is counted after the last name."""
    end = min(one.scrapes - 1, max(name.last for name in one.names))
    scraped = {at for name in one.names for at in range(name.first, name.last + 1)}
    one.restarts = {at for at in one.restarts if {at - 1, at} <= scraped and at <= end}
    missed = set(range(one.scrapes)) - scraped
    one.bad = {at: value for at, value in one.bad.items() if at <= end and not any(abs(at - gap) < 4 for gap in missed)}
    for name, new in zip(one.names, one.names[1:], strict=False):
        name.last = min([name.last, *(at - 1 for at in one.restarts if new.first <= at <= name.last)])
    one.growth = {key: growth[: end + 1] for key, growth in one.growth.items()}
