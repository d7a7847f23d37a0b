"""Evaluations of this folder are about verdicts: no threads, which cost more here than what they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.analysis.recorded import in_this_thread


@pytest.fixture(scope="package", autouse=True)
def _no_threads() -> Iterator[None]:
    with in_this_thread():
        yield
