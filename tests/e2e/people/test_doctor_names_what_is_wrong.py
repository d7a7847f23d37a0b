"""`kubectl modelrollout doctor` on real components: nothing to say of a healthy rollout, and each fault by its name."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import yaml

from tests.e2e.support.doctors import GATES, LONG, Findings, doctor, started
from tests.e2e.support.hands import kubectl
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.lab import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.support.rollouts import Rollouts

ROUTES = "gateway.networking.k8s.io/v1"
SLICES = "discovery.k8s.io/v1"
EMPTY = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}}).encode()


def until(
    live: LiveRollout, what: str, true: Callable[[int, Findings], object], *more: str, seconds: float = 60.0
) -> Findings:
    """The findings as soon as `true(exit code, findings)`."""
    end = time.monotonic() + seconds
    while True:
        code, found = doctor(live, *more)
        if true(code, found):
            return found
        shown = "\n".join(f"{one['level']} {one['check']} {one['subject']}: {one['message']}" for one in found)
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s; exit code {code}\n{shown}"
        time.sleep(1)


def has(check: str, says: str, fix: str, level: str = "Problem") -> Callable[[int, Findings], bool]:
    """Whether there is such a finding, and the exit code that goes with it."""

    def found(code: int, findings: Findings) -> bool:
        mine = (one for one in findings if (one["check"], one["level"]) == (check, level))
        told = any(says in one["message"] and fix in one["fix"] for one in mine)
        return told and (code == 1 or level != "Problem")

    return found


def fine(code: int, findings: Findings) -> bool:
    return code == 0 and all(one["level"] == "OK" for one in findings)


def test_a_healthy_rollout_is_well_before_it_starts_and_while_it_runs(rollouts: Rollouts, tmp_path: Path):
    live = started(rollouts)
    until(live, "well while version 1 serves alone", fine)
    live.version(2)
    live.wait_weight(2, 30)
    found = until(live, "well in the step", fine)
    assert {one["section"] for one in found} == {"cluster", "route", "services", "clock", "store", "gates"}
    assert {one["subject"] for one in found if one["check"] == "series"} == {gate["name"] for gate in GATES}

    manifest = tmp_path / "rollout.yaml"
    meta = {"name": live.name, "namespace": live.scenario.namespace}
    spec = live.spec(2, gates=GATES, **LONG)
    manifest.write_text(yaml.safe_dump({"apiVersion": "a", "kind": "ModelRollout", "metadata": meta, "spec": spec}))
    url = live.member.site.prometheus
    alone = kubectl(live, "doctor", "-f", str(manifest), "--stable", "1", "--prometheus", url, "--json")
    offline = json.loads(alone.stdout)
    assert (alone.returncode, offline["level"]) == (0, "OK"), alone.stdout
    assert {one["section"] for one in offline["findings"]} == {"clock", "store", "gates"}


def test_a_server_that_is_down_or_lives_in_another_time_is_named(rollouts: Rollouts):
    live = started(rollouts)
    proxy = live.member.http_faults(live.member.site.prometheus)
    until(live, "well through the proxy", fine, "--prometheus", proxy.url)
    down = proxy.add(Fault(drop=True))
    until(live, "down", has("reachable", "PrometheusUnreachable", f"check that {proxy.url}"), "--prometheus", proxy.url)
    proxy.remove(down)
    late = {"Date": formatdate(time.time() - 90, usegmt=True), "Content-Type": "application/json"}
    proxy.add(Fault(status=200, headers=late, body=EMPTY))
    until(live, "late", has("prometheus-clock", "behind the API server's", "NTP"), "--prometheus", proxy.url)


def test_what_the_route_suffers_is_named(rollouts: Rollouts):
    live = started(rollouts, own_gateway=True)
    until(live, "well", fine)
    namespace, host = live.scenario.namespace, live.scenario.hostname
    parent = {"name": live.scenario.door.name, "namespace": namespace}
    path = {"type": "Exact", "value": f"/v2/models/{live.scenario.model}/infer"}
    rule = {
        "matches": [{"path": path, "method": "POST"}],
        "backendRefs": [{"name": live.scenario.service_name(1), "port": 8000}],
    }
    other = {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}
    meta = {"name": "elsewhere", "namespace": namespace}
    live.kube.apply({"apiVersion": ROUTES, "kind": "HTTPRoute", "metadata": meta, "spec": other})
    taken = f"HTTPRoute {namespace}/elsewhere takes {path['value']} with certain headers, parameters or methods"
    until(live, "shadowed", has("shadowed", taken, "that route's rule", "Warning"))
    live.kube.delete(ROUTES, "HTTPRoute", namespace, "elsewhere")
    until(live, "well again", fine)

    gateway = live.kube.get(ROUTES, "Gateway", namespace, live.scenario.door.name)
    assert gateway is not None
    listeners = [one | {"hostname": "elsewhere.example.com"} for one in gateway["spec"]["listeners"]]
    live.kube.merge(ROUTES, "Gateway", namespace, live.scenario.door.name, {"spec": {"listeners": listeners}})
    wrong = has("listener", "is for elsewhere.example.com", "spec.traffic.gateway.hostnames")
    until(live, "no listener", wrong)
    until(live, "rejected", has("accepted", "has it not Accepted", "spec.traffic.gateway"))


def test_services_without_addresses_or_missing_are_named(rollouts: Rollouts):
    live = started(rollouts)
    until(live, "well", fine)
    namespace, service = live.scenario.namespace, live.scenario.service_name(1)
    for one in live.kube.list(SLICES, "EndpointSlice", namespace):
        if one["metadata"]["labels"]["kubernetes.io/service-name"] == service:
            live.kube.delete(SLICES, "EndpointSlice", namespace, one["metadata"]["name"])
    until(live, "no addresses", has("addresses", "no addresses behind port 8000", "start Pods"))
    live.kube.delete("v1", "Service", namespace, service)
    until(
        live, "no Service", has("service", f"Service {namespace}/{service} does not exist", "create it with port 8000")
    )


def test_what_the_scrapes_and_limits_lack_is_named(rollouts: Rollouts):
    live = started(rollouts)
    until(live, "well", fine)
    blue = [{"target_label": "version", "replacement": "blue"}]
    again = live.member.another_prometheus(f"twice-{live.scenario.namespace}", jobs=[{"job_name": "again"}])
    renamed = live.member.another_prometheus(
        f"renamed-{live.scenario.namespace}", jobs=[{"job_name": "triton", "relabel_configs": blue}]
    )
    rollouts.until_the_end(again, renamed)
    twice = has("scraped-twice", "by the jobs again and triton", "keep one", level="Warning")
    until(live, "scraped twice", twice, "--prometheus", again.url)
    honor = has("honor-labels", "exported_version", "honor_labels: true")
    until(live, "labels renamed", honor, "--prometheus", renamed.url)
    live.change({"spec": {"gates": gates(latency={"type": "Latency", "max": "5s"})}})
    until(live, "no such bucket", has("buckets", "max is 5 s, and the last of", "choose max at an edge"))
