"""Everything here is slow: importing ONNX and ONNX Runtime takes longer than all quick tests of this library."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out, these are not even imported."""
    return True if collection_path.suffix == ".py" and config.getoption("-m") == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
