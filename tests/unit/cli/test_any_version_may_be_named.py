"""`--stable` takes any text: what stands in for the candidate is another version, and no traceback."""

from __future__ import annotations

import pytest

from modelrollout.core.evaluation import another


@pytest.mark.parametrize("version", ["1", "9", "v3", "", "²", "٣", "-1", "1.5", "9" * 18, "9" * 19, "9" * 5000])
def test_another_version_is_another_one(version: str):
    assert another(version) != version
    assert another(version).isdecimal()
