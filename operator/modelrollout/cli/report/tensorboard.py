"""A rollout's layers for TensorBoard: each version is a run, so that its histograms stand beside the other one's.

Histograms are of log2 |activation|, since magnitudes reach over many powers of two: at the left stands what lies below
the lowest edge, zeros included. A step is a second of the rollout.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelrollout.cli.report.facts import Facts, Layers, Subject
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.metrics.model_series import ARMS, Arm
from modelrollout.core.analysis.metrics.postmortem import LayerSummary

EVENTS = "events.out.tfevents"
"""What TensorBoard looks for in a file's name."""
LONGEST_TAG = 300
SCALARS = {
    "dead": ("windowDeadNeurons", "windowNeurons"),
    "zero": ("zeros", "elements"),
    "negative": ("negatives", "elements"),
    "nan": ("nan", "elements"),
    "inf": ("inf", "elements"),
}
"""Shares in [0, 1] by the first part of their tag: which count over which."""


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` values lie up to `limits[i]`, and above the limit before it; both of shape (buckets,)."""

    limits: tuple[float, ...]
    counts: tuple[int, ...]


def insist() -> None:
    """Failure where the extra is not installed."""
    try:
        import tensorboardX  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise Failure("--tensorboard needs the package tensorboardX; pip install 'modelrollout[tensorboard]'") from None


def write(facts: Facts, folder: Path) -> tuple[Path, ...]:
    """One file a version, written anew each time; the runs' folders. Failure where nothing is known, or in the way."""
    subject, slices = facts.subject, facts.course or ((facts.layers,) if facts.layers is not None else ())
    if subject is None or not slices:
        why = facts.missing[0] if facts.missing else "No rollout of it is known yet."
        raise Failure(f"nothing is known of the layers of {facts.namespace}/{facts.name}: {why}")
    names = runs_of(subject)
    file = f"{EVENTS}.{int(subject.started_at)}.{_plain(facts.name)}"
    made = [arm for arm in ARMS if any(one.of.get(arm) for one in slices)]
    for arm in made:
        _write(folder / names[arm], file, _events(slices, arm, subject.started_at))
    return tuple(folder / names[arm] for arm in made)


def runs_of(subject: Subject) -> dict[Arm, str]:
    """The runs' names: the versions, as far as a folder can have them."""
    stable, candidate = _plain(subject.stable), _plain(subject.candidate)
    return {"stable": stable, "candidate": candidate if candidate != stable else f"{candidate[:100]}-candidate"}


def _plain(text: str) -> str:
    """As a name of a file: letters, digits, dots, dashes; neither hidden nor a way out of the folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:128].lstrip(".") or "_"


def scalars(layer: LayerSummary) -> Iterator[tuple[str, float]]:
    """The shares that can be told: what has no series is not 0."""
    for name, (part, whole) in SCALARS.items():
        of, parts = layer.get(whole), layer.get(part)
        if isinstance(of, int) and isinstance(parts, int) and of > 0:
            yield name, parts / of


def histogram(layer: LayerSummary) -> Histogram | None:
    """Of log2 of the magnitudes; None where none were counted."""
    counted = layer.get("histogram")
    edges = sorted((_edge(edge), count) for edge, count in counted.items()) if isinstance(counted, Mapping) else []
    edges = [(edge, count) for edge, count in edges if edge > 0]
    if not edges or edges[-1][1] <= 0:
        return None
    limits = [math.log2(edge) if math.isfinite(edge) else math.inf for edge, _ in edges]
    if limits[-1] == math.inf:  # no axis has a place for it
        limits[-1] = limits[-2] + 1 if len(limits) > 1 else 0.0
    before = [0, *(count for _, count in edges[:-1])]
    counts = [max(count - last, 0) for (_, count), last in zip(edges, before, strict=True)]
    return Histogram(tuple(limits), tuple(counts))


def _edge(text: str) -> float:
    """0, which no magnitude lies below, for what is none."""
    try:
        edge = float(text)
    except ValueError:
        return 0.0
    return edge if edge > 0 else 0.0


def _events(slices: Iterable[Layers], arm: Arm, start: float) -> Iterator[bytes]:
    from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
    from tensorboardX.proto.summary_pb2 import Summary  # noqa: PLC0415

    yield Event(wall_time=start, file_version="brain.Event:2").SerializeToString()
    for one in slices:
        values = []
        for name, layer in one.of.get(arm, {}).items():
            if layer.get("elements"):
                values += [Summary.Value(tag=_tag(kind, name), simple_value=share) for kind, share in scalars(layer)]
                found = histogram(layer)
                if found is not None:
                    values.append(Summary.Value(tag=_tag("log2_magnitude", name), histo=_proto(found)))
        step = round(one.until - start)
        yield Event(wall_time=one.until, step=step, summary=Summary(value=values)).SerializeToString()


def _tag(kind: str, layer: str) -> str:
    return f"{kind}/{layer}".encode(errors="replace").decode()[:LONGEST_TAG]


def _proto(found: Histogram) -> Any:
    from tensorboardX.proto.summary_pb2 import HistogramProto  # noqa: PLC0415 - an extra

    lowest = found.limits[0] - 1
    middles = [(left + right) / 2 for left, right in zip((lowest, *found.limits), found.limits, strict=False)]
    held = [at for at, count in enumerate(found.counts) if count]
    return HistogramProto(
        min=(lowest, *found.limits)[held[0]],
        max=found.limits[held[-1]],
        num=sum(found.counts),
        sum=sum(middle * count for middle, count in zip(middles, found.counts, strict=True)),
        sum_squares=sum(middle * middle * count for middle, count in zip(middles, found.counts, strict=True)),
        bucket_limit=found.limits,
        bucket=found.counts,
    )


def _write(folder: Path, name: str, events: Iterable[bytes]) -> None:
    """Whole or not at all, readable for its owner alone."""
    from tensorboardX.record_writer import RecordWriter  # noqa: PLC0415 - an extra

    made = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        other = next((one.name for one in folder.glob(f"{EVENTS}*") if one.name != name), None)
        if other is not None:
            raise Failure(f"{folder} holds {other} already, which would be mixed with this rollout; name another DIR")
        handle, made = tempfile.mkstemp(dir=folder, prefix=".writing.")
        os.close(handle)
        file = RecordWriter(made)
        for event in events:
            file.write(event)
        file.close()
        Path(made).replace(folder / name)
    except OSError as error:
        with suppress(OSError):
            Path(made).unlink() if made else None
        raise Failure(f"{folder} cannot be written: {error.strerror or error}; name another DIR") from error
