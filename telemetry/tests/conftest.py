"""How hard the properties are tried, as in tests/conftest.py: whichever file is read last speaks for both.

What is about ONNX graphs is slow: importing ONNX and ONNX Runtime takes longer than all quick tests of this library.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

GRAPHS = Path(__file__).parent / "graphs"

settings.register_profile("quick", max_examples=4, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("full")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out, those of graphs are not even imported."""
    return True if collection_path == GRAPHS and config.getoption("-m") == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(GRAPHS):
            item.add_marker(pytest.mark.slow)
