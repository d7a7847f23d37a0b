"""Envoy Gateway beside Traefik: it serves, it is scraped as an installation of it is, and it ends with the lab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.draws import binomial_bounds
from tests.lab.components.prometheus import query
from tests.lab.processes.process import marked
from tests.lab.session.lab import Lab

if TYPE_CHECKING:
    from tests.lab.session.door import Door
    from tests.lab.session.member import Member

pytestmark = [pytest.mark.lab, pytest.mark.envoy_gateway, pytest.mark.timeout(600)]


def test_it_shares_requests_by_weight_and_its_series_carry_the_labels_of_its_pod(
    member: Member, namespace: str, envoy_gateway: Door
) -> None:
    assert member.envoy_gateway() == envoy_gateway, "there is one for all"
    with member.scenario(namespace, door=envoy_gateway) as scenario:
        scenario.serve(1, 2)
        scenario.split({1: 75, 2: 25})
        scenario.wait_routed()
        with scenario.client(rate=50) as client:
            client.wait_for(200)
        assert client.failed == []
        shares = client.versions()
        least, most = binomial_bounds(shares.total(), 0.75)
        assert least <= shares["1"] <= most
        name = f"httproute/{namespace}/digits/rule/0"  # no backend has a filter: one cluster for the rule
        found = _eventually(member, f'envoy_cluster_upstream_rq{{envoy_cluster_name="{name}"}} >= {shares.total()}')
    assert found["namespace"] == "envoy-gateway-system"
    assert found["job"] == "envoy-gateway-system/envoy-gateway-proxy-monitoring"
    assert found["pod"].startswith("envoy-infra-envoy-")
    assert (found["container"], found["envoy_response_code"]) == ("envoy", "200")


def _eventually(member: Member, promql: str) -> dict[str, Any]:
    """The labels of the one series that is found in the end."""
    end = time.monotonic() + 20
    while not (found := query(member.site.prometheus, promql)):
        assert time.monotonic() < end, promql
        time.sleep(0.2)
    assert len(found) == 1
    return dict(found[0]["metric"])


@pytest.mark.long
def test_it_listens_on_loopback_alone_and_nothing_of_it_is_left() -> None:
    began = time.monotonic()
    with Lab() as lab:
        print(f"lab: {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        door, mark = lab.envoy_gateway(), lab.mark
        print(f"Envoy Gateway beside it: {time.monotonic() - began:.1f} s")
        assert lab.envoy_gateway() is door
        ours = [each for each in marked(mark) if "envoy" in each.name()]
        assert {each.name() for each in ours} == {"envoy", "envoy-gateway"}
        heard = [each.laddr for one in ours for each in one.net_connections() if each.status == psutil.CONN_LISTEN]
        assert door.port in {each.port for each in heard}
        assert [each for each in heard if not each.ip.startswith("127.")] == []
    assert lab.leftovers == 0, "stop ended everything by itself, the sweep found nothing to do"
    assert marked(mark) == []
