"""The block to paste fits into a warning, and its edges rise around stable's quantile."""

from __future__ import annotations

import itertools
import re

import pytest

from modelrollout.api.status import LONGEST_WARNING
from modelrollout.core.analysis.gates.checks.latency.coarse_buckets import block_for


@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize("known", [0.0005, 0.00123, 0.0123, 0.1, 0.5, 2.0, 5.0, 30.0, 60.0])
def test_the_block_fits_and_its_edges_rise_around_what_stable_has(known: float, beyond: bool):
    block = block_for(known, beyond=beyond)
    assert len(f"for both versions' config.pbtxt: {block}") <= LONGEST_WARNING
    found = re.search(r"buckets: \[ ([0-9., ]+) \]", block)
    assert found is not None, block
    edges = [float(text) for text in found.group(1).split(", ")]
    assert all(1.2 < high / low < 1.3 for low, high in itertools.pairwise(edges))
    assert edges[0] < 1000 * known < edges[-1]
    assert block.count("{") == block.count("}")
    assert block.count("[") == block.count("]")
