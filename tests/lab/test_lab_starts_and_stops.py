"""The lab's real components come up, work together, and leave nothing behind, however they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import ROOT
from tests.draws import binomial_bounds
from tests.lab.components.prometheus import query
from tests.lab.processes.process import answers, marked
from tests.lab.session.lab import Lab
from tests.lab.session.member import Member
from tests.lab.session.shared import shared_site
from tests.lab.session.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.session.scenario import Scenario

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


def eventually(true: Callable[[], object], deadline: float = 20.0) -> bool:
    end = time.monotonic() + deadline
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def listens(address: str) -> bool:
    host, _, port = address.removeprefix("https://").removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def split(member: Member) -> Iterator[Scenario]:
    """Versions 1 and 2 behind one route, three to one; the Gateway is in another namespace."""
    with member.scenario(f"split-{os.getpid()}") as scenario:
        scenario.serve(1, 2)
        scenario.split({1: 75, 2: 25})
        scenario.wait_routed()
        yield scenario


def test_a_weighted_route_shares_requests_between_two_versions_and_none_fails(split: Scenario) -> None:
    with split.client(rate=50) as client:
        client.wait_for(200)
    assert client.failed == []
    shares = client.versions()
    assert set(shares) == {"1", "2"}
    # The gateway deals by turns, and restarts with any route's change; even if it drew lots, this would hold.
    least, most = binomial_bounds(shares.total(), 0.75)
    assert least <= shares["1"] <= most


def test_prometheus_names_namespace_and_service_of_every_model_server(split: Scenario) -> None:
    with split.client(rate=50) as client:
        client.wait_for(100)
    site, namespace = split.site, split.namespace
    counted = f'nv_inference_request_success{{namespace="{namespace}"}} > 0'
    assert eventually(lambda: len(query(site.prometheus, counted)) == 2)
    found = {(each["metric"]["service"], each["metric"]["version"]) for each in query(site.prometheus, counted)}
    assert found == {("digits-v1", "1"), ("digits-v2", "2")}
    judged = f'sum by (service) (model_eval_total{{namespace="{namespace}"}}) > 0'
    assert eventually(lambda: len(query(site.prometheus, judged)) == 2)


def test_prometheus_tells_the_weighted_backends_apart_at_the_gateway(split: Scenario) -> None:
    with split.client(rate=50) as client:
        client.wait_for(100)
    route = f"httproute-{split.namespace}-digits-gw-infra-inference-ep-web-0-[0-9a-f]{{20}}"
    for version, index in ((1, 0), (2, 1)):
        backend = f"{route}-svc-{split.namespace}-digits-v{version}-{index}@kubernetesgateway"
        series = f'traefik_service_requests_total{{code="200", service=~"{backend}"}} > 0'
        assert eventually(partial(query, split.site.prometheus, series)), series
    assert eventually(lambda: query(split.site.prometheus, "traefik_router_requests_total > 0"))


def test_the_recorder_sees_every_weight_written_and_no_other(split: Scenario) -> None:
    with split.record_route() as recorder:
        assert eventually(lambda: recorder.seen)
        for weight in (50, 100, 25):
            split.split({1: 100 - weight, 2: weight})
        assert eventually(lambda: recorder.weights_of("digits-v2")[-1] == 25)
    assert recorder.weights_of("digits-v2") == [25, 50, 100, 25]


def test_a_service_that_is_not_ready_gets_no_answer_through_a_gateway_of_its_own_namespace(member: Member) -> None:
    with member.scenario(f"own-{os.getpid()}", own_gateway=True) as scenario:
        scenario.serve(1)
        scenario.split({1: 100})
        scenario.wait_routed()
        url = f"{scenario.url}/ready"
        scenario.services[1].set_ready(False)
        assert eventually(lambda: answers(url, host=scenario.hostname, status=503))
        scenario.services[1].set_ready(True)
        scenario.wait_routed()


def test_a_killed_server_serves_again_at_its_address_after_a_restart(member: Member) -> None:
    with member.scenario(f"kill-{os.getpid()}") as scenario:
        scenario.serve(1)
        service = scenario.services[1]
        address = service.servers[0].address
        service.kill()
        assert not listens(f"{address}:8000")
        service.restart()
        assert service.servers[0].address == address
        assert answers(f"http://{address}:8000/v2/models/digits/versions/1/ready")


def test_nothing_is_left_after_stop() -> None:
    lab = Lab(controllers=True)
    with lab:
        scenario = lab.scenario("left")
        scenario.serve(1)
        lab.kube.delete("v1", "Namespace", None, "left")
        assert eventually(lambda: lab.kube.get("v1", "Namespace", None, "left") is None), "the controllers delete it"
        site, ports = lab.site, [f"{scenario.services[1].servers[0].address}:8000"]
        ports += [site.api, site.bare_api, site.gateway, site.gateway_metrics, site.prometheus]
        assert all(listens(port) for port in ports)
        assert marked(site.mark)
    assert lab.leftovers == 0, "stop ended everything by itself, the sweep found nothing to do"
    assert_gone(site, ports)
    assert not site.folder.exists()


def test_everything_ends_when_the_owner_is_killed(tmp_path: Path) -> None:
    pointer = tmp_path / "site.json"
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "--serve", "1", f"--site={pointer}"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        assert eventually(pointer.exists, 120)
        site = Site.read(pointer)
        assert len(marked(site.mark)) >= 6  # etcd, API server, shim, gateway, Prometheus, model server and its stub
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    assert eventually(lambda: not marked(site.mark))
    assert eventually(lambda: not (site.folder / "owner.json").exists()), "the guardian has swept"
    assert_gone(site, [site.api, site.bare_api, site.gateway, site.prometheus])


@pytest.mark.long
def test_two_workers_share_one_lab_which_ends_with_the_run(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as run:
        sites = [shared_site(tmp_path, run.pid) for _ in range(2)]
        assert sites[0] == sites[1]
        joined = Member(sites[0])
        assert joined.kube.get("v1", "Namespace", None, "infra") is not None
        joined.leave()
        run.kill()
    assert eventually(lambda: not marked(sites[0].mark))
    assert eventually(lambda: not sites[0].folder.exists())


def assert_gone(site: Site, ports: list[str]) -> None:
    assert marked(site.mark) == []
    assert [port for port in ports if listens(port)] == []
    assert list(Path("/dev/shm").glob(f"{site.mark}*")) == []
