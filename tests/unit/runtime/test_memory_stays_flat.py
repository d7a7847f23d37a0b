"""Three thousand passes over hundreds of rollouts with the real evaluator leave memory where it was."""

from __future__ import annotations

import psutil
import pytest

from tests.unit.runtime.in_memory import made, one_pass

PASSES, WARM = 3_000, 1_000
MIB = 2.0**20


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
async def test_memory_is_flat_over_thousands_of_passes():
    reconciler, watch, cluster, clock = made()
    process, seen, promoted = psutil.Process(), [], 0
    for number in range(1, PASSES + 1):
        before = cluster.obj.get("status", {}).get("stable")
        await one_pass(reconciler, watch, cluster, clock)
        promoted += cluster.obj["status"].get("stable") != before
        if number % 500 == 0:
            seen.append((number, process.memory_info().rss / MIB))
    warm = [rss for number, rss in seen if number >= WARM]
    slope = (warm[-1] - warm[0]) / (PASSES - WARM) * 1000
    print(f"{PASSES} passes, {promoted} rollouts: RSS {', '.join(f'{rss:.0f}' for _, rss in seen)} MiB")
    print(f"slope after {WARM} passes: {slope:+.3f} MiB per 1,000 passes")
    assert promoted > 50
    assert slope < 1.0
