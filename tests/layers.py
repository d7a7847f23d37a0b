"""The layers of tests, by folder: what runs on every change, what needs a component, what runs whole rollouts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests import ROOT

LAYERS: dict[str, tuple[str, ...]] = {
    "unit": ("tests/unit", "tests/golden", "telemetry/tests"),
    "integration": ("tests/bench", "tests/contract", "tests/install", "tests/integration", "tests/lab"),
    "e2e": ("tests/e2e",),
}


@cache
def layer(path: Path) -> str:
    """Whose test a file is. ValueError where its folder is in none: name it here and in the Makefile."""
    for name, folders in LAYERS.items():
        if any(path.is_relative_to(ROOT / folder) for folder in folders):
            return name
    raise ValueError(f"{path.parent} is in no layer of tests: add it to tests/layers.py and to the Makefile")
