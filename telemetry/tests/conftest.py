"""How hard the properties are tried, as in tests/conftest.py: whichever file is read last speaks for both.

What is about ONNX graphs and PyTorch modules is slow: importing ONNX Runtime or PyTorch takes longer than all quick
tests of this library.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Without a GPU the kernel is run by its language's interpreter, which is chosen when the language is imported.
os.environ.setdefault("TRITON_INTERPRET", "1")

SLOW_TO_IMPORT = tuple(Path(__file__).parent / folder for folder in ("graphs", "adapters", "devices"))

settings.register_profile("quick", max_examples=2, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("full")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out, these are not even imported."""
    return True if collection_path in SLOW_TO_IMPORT and "not slow" in config.getoption("-m") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in SLOW_TO_IMPORT):
            item.add_marker(pytest.mark.slow)
