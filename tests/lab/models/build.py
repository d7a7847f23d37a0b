"""A Triton model repository holds exactly one version of one lab model; its behaviour is chosen apart.

`behaves_as` picks a behaviour by the number it has in the story:
1 good, 2 trained longer and better, 3 as accurate as 2 with three quarters of a layer dead, 4 = 2 but slow,
5 = 2 that emits NaN in some answers, 6 accuracy lost.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from tests.lab.models.training import BETTER, DEAD_UNITS, GOOD, INACCURATE, Training, weights

SERVING = Path(__file__).parent / "serving"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a version does beside its weights; written as settings.json next to them.

    `window`: rows per dead-unit window; `rows_per_second`: the monitor's cap; `slow_ms`: sleep per request;
    `nan_share`: share of requests whose activations and answer carry NaN; `instances`: model instances;
    `telemetry`: whether the monitor runs at all; `flush_seconds`: how often its series are written.
    """

    window: int = 100
    rows_per_second: float = 200.0
    one_in: int = 1
    slow_ms: float = 0.0
    nan_share: float = 0.0
    instances: int = 1
    telemetry: bool = True
    flush_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Behaviour:
    training: Training
    settings: Settings = field(default_factory=Settings)


BEHAVIOURS: dict[int, Behaviour] = {
    1: Behaviour(GOOD),
    2: Behaviour(BETTER),
    3: Behaviour(DEAD_UNITS),
    4: Behaviour(BETTER, Settings(slow_ms=90.0)),
    5: Behaviour(BETTER, Settings(nan_share=0.2)),
    6: Behaviour(INACCURATE),
}

CONFIG = """\
name: "{model}"
backend: "python"
max_batch_size: 0
input [
  {{ name: "X", data_type: TYPE_FP32, dims: [ -1, 64 ] }},
  {{ name: "LABEL", data_type: TYPE_INT32, dims: [ -1 ], optional: true }}
]
output [
  {{ name: "CLASS", data_type: TYPE_INT32, dims: [ -1 ] }},
  {{ name: "PROBABILITIES", data_type: TYPE_FP32, dims: [ -1, 10 ] }}
]
instance_group [ {{ count: {instances}, kind: KIND_CPU }} ]
version_policy: {{ specific: {{ versions: [ {version} ] }} }}
"""


def build_repository(
    root: Path,
    version: int,
    *,
    model: str = "digits",
    behaves_as: int | None = None,
    **options: float | bool,
) -> Path:
    """Write `root`/`model`/`version` and its config.pbtxt; returns `root`, a Triton model repository.

    `options` are Settings' fields and override those of the behaviour. Raises ValueError for an unknown one.
    """
    chosen = version if behaves_as is None else behaves_as
    if chosen not in BEHAVIOURS:
        raise ValueError(f"behaves_as={chosen} is unknown: use one of {sorted(BEHAVIOURS)}")
    unknown = set(options) - {one.name for one in fields(Settings)}
    if unknown:
        names = ", ".join(one.name for one in fields(Settings))
        raise ValueError(f"unknown option {min(unknown)!r}: use {names}")
    behaviour = BEHAVIOURS[chosen]
    settings = replace(behaviour.settings, **options)  # type: ignore[arg-type]  # names were checked above
    folder = root / model / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (root / model / "config.pbtxt").write_text(
        CONFIG.format(model=model, version=version, instances=settings.instances)
    )
    shutil.copyfile(weights(behaviour.training), folder / "weights.npz")
    shutil.copyfile(SERVING / "mlp.py", folder / "model.py")
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))
    return root
