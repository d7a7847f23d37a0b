"""A process that lost its Lease between its record and its raise writes no route, and remembers that one is due."""

from __future__ import annotations

import pytest

from tests.expect import present
from tests.unit.runtime.in_memory import made, one_pass, router_of


@pytest.mark.slow
async def test_a_lease_lost_between_the_record_and_the_raise_leaves_the_route_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    leading = True
    reconciler, watch, cluster, clock = made(lambda: leading)
    router = router_of(reconciler)
    while cluster.obj.get("status", {}).get("phase") != "Stepping":
        before = router.writes
        await one_pass(reconciler, watch, cluster, clock)
    assert router.writes == before + 1
    while cluster.obj["status"]["step"]["index"] == 0:
        route, leading = router.route, True
        original = cluster.write_status

        async def deposed(obj, status, write=original):
            nonlocal leading
            leading = False
            return await write(obj, status)

        monkeypatch.setattr(cluster, "write_status", deposed)
        clock.time += 15
        for target in watch.polling.targets:
            await watch._probe(target)
        await watch._evaluate(present(watch.polling.request))
        again = await reconciler.run(watch)
        monkeypatch.setattr(cluster, "write_status", original)
    assert cluster.obj["status"]["step"]["weight"] == 25, "the raise was recorded"
    assert router.route == route, "and the route was left alone"
    assert watch.route_due
    assert again == 1.0
    leading = True
    await one_pass(reconciler, watch, cluster, clock)
    assert present(router.route).weight_of("2") in (5, 25)
