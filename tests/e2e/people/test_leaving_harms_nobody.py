"""Deleting, uninstalling, losing rights: traffic ends on stable, and no finalizer keeps anything forever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.e2e.support import operator as charted
from tests.e2e.support.hands import PATIENT, reasons
from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.operator import grant
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present
from tests.lab import Fault

GIVE_UP = 6.0
HALFWAY = [{"weight": 30, "hold": "2m"}]
ROUTES = ("gateway.networking.k8s.io/v1", "HTTPRoute")


def halfway(rollouts: Rollouts, **operate: Any) -> LiveRollout:
    """Version 2 at 30 % beside version 1."""
    live = rollouts.start(1, 2, rate=BRISK, operate={"giveUpAfter": f"{GIVE_UP:g}s", "arguments": PATIENT} | operate)
    live.client = live.adopt(steps=HALFWAY)
    live.version(2)
    live.wait_weight(2, 30)
    return live


def hook(live: LiveRollout) -> subprocess.CompletedProcess[str]:
    """The pre-delete hook's command under the chart's ServiceAccount; a cluster would run it as a Job."""
    namespace = live.scenario.namespace
    account, arguments = grant(live.member, namespace)
    kubeconfig: Path = live.member.service_account_kubeconfig(namespace, account)
    env = os.environ | {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": namespace, "PYTHONPATH": str(ROOT / "operator")}
    command = [sys.executable, "-m", "modelrollout", "release", *scope(arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)


def scope(arguments: list[str]) -> list[str]:
    """Of the Deployment's arguments, those that the hook's Job is rendered with too."""
    return [each for each in arguments if each.startswith(("--lease-", "--namespace="))]


def test_an_uninstall_in_mid_rollout_leaves_traffic_on_stable_and_no_finalizer(rollouts: Rollouts):
    live = halfway(rollouts, arguments=())
    done = hook(live)
    assert done.returncode == 0, done.stderr
    assert not present(live.resource())["metadata"].get("finalizers")
    assert live.weight(1) == 100
    assert not live.operator.process.running, "the deposed leader must end"
    live.operator.start()  # as its Deployment would, until the uninstall deletes that
    time.sleep(8)
    assert live.weight(1) == 100
    assert not present(live.resource())["metadata"].get("finalizers")
    live.operator.stop()
    live.delete()
    live.wait_gone(10)
    live.client.wait_for(60)
    live.client.stop()
    assert live.client.failed == []


def test_an_operator_that_is_gone_with_its_rights_moves_nothing_and_its_job_alone_puts_that_right(rollouts: Rollouts):
    """Argo CD runs no pre-delete hook: docs/gitops/uninstall.md says what there is then, and what to do."""
    live = halfway(rollouts, arguments=())
    live.operator.stop()
    for kind in ("RoleBinding", "Role"):
        for one in live.kube.list("rbac.authorization.k8s.io/v1", kind, live.scenario.namespace):
            live.kube.delete("rbac.authorization.k8s.io/v1", kind, live.scenario.namespace, one["metadata"]["name"])
    live.delete()
    time.sleep(3)
    assert live.weight(2) == 30, "nobody is there to move it"
    assert present(live.resource())["metadata"]["finalizers"], "it waits to be released"
    done = hook(live)  # with the account and its rights, as installed again
    assert done.returncode == 0, done.stderr
    live.wait_gone(10)
    assert live.weight(1) == 100
    live.client.stop()
    assert live.client.failed == []


@pytest.mark.parametrize("how", ["rights", "kind"])
def test_a_deletion_that_cannot_move_traffic_lets_go_in_bounded_time_with_an_event(rollouts: Rollouts, how: str):
    proxy = rollouts.member.api_faults()
    live = halfway(rollouts, api=proxy.url)
    if how == "rights":
        take_away_routes(live)
    else:  # what a real API server says when the definition is gone
        unknown = Fault(status=404, headers={"Content-Type": "text/plain"}, body=b"404 page not found\n")
        proxy.add(unknown, path="/httproutes")
    began = time.time()
    live.delete()
    live.wait_gone(6 * GIVE_UP)
    print(f"deleted, {how} missing: gone after {time.time() - began:.1f} s (giveUpAfter {GIVE_UP:g} s)")
    assert time.time() - began >= GIVE_UP - 1.1  # deletionTimestamp has whole seconds
    end = time.time() + 5
    while "ReleaseFailed" not in reasons(live):
        assert time.time() < end, live.events()
        time.sleep(0.2)
    assert live.weight(2) == 30


def test_a_namespace_can_be_deleted_in_mid_rollout(rollouts: Rollouts):
    """The operator has the rights of a cluster-wide install; a namespaced one loses its Role with the namespace."""
    live = halfway(rollouts)
    member, namespace = live.member, live.scenario.namespace
    grant_everywhere(live)
    live.client.stop()
    began = time.time()
    member.kube.delete("v1", "Namespace", None, namespace)
    while member.kube.get("v1", "Namespace", None, namespace) is not None:
        assert time.time() - began < 90, live.resource()
        time.sleep(0.2)
    print(f"namespace with a rollout at 30 % deleted: gone after {time.time() - began:.1f} s")


def take_away_routes(live: LiveRollout) -> None:
    """The chart's Role without HTTPRoutes."""
    kube, namespace = live.kube, live.scenario.namespace
    for role in kube.list("rbac.authorization.k8s.io/v1", "Role", namespace):
        rules = [rule for rule in role["rules"] if "httproutes" not in rule.get("resources", [])]
        if rules != role["rules"]:
            kube.merge("rbac.authorization.k8s.io/v1", "Role", namespace, role["metadata"]["name"], {"rules": rules})


def grant_everywhere(live: LiveRollout) -> None:
    """Move the operator's rights and its account out of the namespace, as a cluster-wide install has them."""
    live.operator.stop()
    member, namespace = live.member, live.scenario.namespace
    home = f"{namespace}-home"
    member.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}})
    live.rollouts.stack.callback(member.kube.delete, "v1", "Namespace", None, home)
    live.operator = operator_at_home(live, home)
    live.operator.start()
    live.wait("its first pass", lambda _: "this process leads" in live.operator.log(), 20)
    time.sleep(2)


def operator_at_home(live: LiveRollout, home: str) -> Any:
    objects = charted.rendered(f"mro-{home}", home, {"leaseDurationSeconds": 6})
    for obj in objects:
        if obj["kind"] in charted.RIGHTS and "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}):
            live.kube.apply(obj)
            if obj["kind"].startswith("Cluster"):
                name = obj["metadata"]["name"]
                live.rollouts.stack.callback(live.kube.delete, obj["apiVersion"], obj["kind"], None, name)
    account = next(obj["metadata"]["name"] for obj in objects if obj["kind"] == "ServiceAccount")
    made = charted.operator(live.member, live.scenario.namespace, name="home")
    made._kubeconfig = live.member.service_account_kubeconfig(home, account)
    made._env["POD_NAMESPACE"] = home
    lease = next(a for a in made._arguments if a.startswith("--lease-name="))
    role = next(o for o in objects if o["kind"] == "Role" and o["metadata"]["name"].endswith("-lease"))
    made._arguments[made._arguments.index(lease)] = f"--lease-name={role['rules'][0]['resourceNames'][0]}"
    return made
