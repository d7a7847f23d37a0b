"""Deleting, uninstalling, losing rights: traffic ends on stable, and no finalizer keeps anything for ever."""

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
from tests.e2e.support.operator import grant
from tests.e2e.support.stage import BRISK, Stage
from tests.e2e.support.story import Story
from tests.expect import present
from tests.lab import Fault

GIVE_UP = 6.0
HALFWAY = [{"weight": 30, "hold": "2m"}]
ROUTES = ("gateway.networking.k8s.io/v1", "HTTPRoute")


def halfway(stage: Stage, **operate: Any) -> Story:
    """Version 2 at 30 % beside version 1."""
    story = stage.story(1, 2, rate=BRISK, operate={"giveUpAfter": f"{GIVE_UP:g}s", "arguments": PATIENT} | operate)
    story.client = story.adopt(steps=HALFWAY)
    story.version(2)
    story.wait_weight(2, 30)
    return story


def hook(story: Story) -> subprocess.CompletedProcess[str]:
    """The pre-delete hook's command under the chart's ServiceAccount; a cluster would run it as a Job."""
    namespace = story.scenario.namespace
    account, arguments = grant(story.member, namespace)
    kubeconfig: Path = story.member.service_account_kubeconfig(namespace, account)
    env = os.environ | {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": namespace, "PYTHONPATH": str(ROOT / "operator")}
    command = [sys.executable, "-m", "modelrollout", "release", *scope(arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)


def scope(arguments: list[str]) -> list[str]:
    """Of the Deployment's arguments, those that the hook's Job is rendered with too."""
    return [each for each in arguments if each.startswith(("--lease-", "--namespace="))]


def test_an_uninstall_in_mid_rollout_leaves_traffic_on_stable_and_no_finalizer(stage: Stage):
    story = halfway(stage, arguments=())
    done = hook(story)
    assert done.returncode == 0, done.stderr
    assert not present(story.resource())["metadata"].get("finalizers")
    assert story.weight(1) == 100
    assert not story.operator.process.running, "the deposed leader must end"
    story.operator.start()  # as its Deployment would, until the uninstall deletes that
    time.sleep(8)
    assert story.weight(1) == 100
    assert not present(story.resource())["metadata"].get("finalizers")
    story.operator.stop()
    story.delete()
    story.wait_gone(10)
    story.client.wait_for(60)
    story.client.stop()
    assert story.client.failed == []


@pytest.mark.parametrize("how", ["rights", "kind"])
def test_a_deletion_that_cannot_move_traffic_lets_go_in_bounded_time_with_an_event(stage: Stage, how: str):
    proxy = stage.member.api_faults()
    story = halfway(stage, api=proxy.url)
    if how == "rights":
        take_away_routes(story)
    else:  # what a real API server says when the definition is gone
        unknown = Fault(status=404, headers={"Content-Type": "text/plain"}, body=b"404 page not found\n")
        proxy.add(unknown, path="/httproutes")
    began = time.time()
    story.delete()
    story.wait_gone(6 * GIVE_UP)
    print(f"deleted, {how} missing: gone after {time.time() - began:.1f} s (giveUpAfter {GIVE_UP:g} s)")
    assert time.time() - began >= GIVE_UP - 1.1  # deletionTimestamp has whole seconds
    end = time.time() + 5
    while "ReleaseFailed" not in reasons(story):
        assert time.time() < end, story.events()
        time.sleep(0.2)
    assert story.weight(2) == 30


def test_a_namespace_can_be_deleted_in_mid_rollout(stage: Stage):
    """The operator has the rights of a cluster-wide install; a namespaced one loses its Role with the namespace."""
    story = halfway(stage)
    member, namespace = story.member, story.scenario.namespace
    grant_everywhere(story)
    story.client.stop()
    began = time.time()
    member.kube.delete("v1", "Namespace", None, namespace)
    while member.kube.get("v1", "Namespace", None, namespace) is not None:
        assert time.time() - began < 90, story.resource()
        time.sleep(0.2)
    print(f"namespace with a rollout at 30 % deleted: gone after {time.time() - began:.1f} s")


def take_away_routes(story: Story) -> None:
    """The chart's Role without HTTPRoutes."""
    kube, namespace = story.kube, story.scenario.namespace
    for role in kube.list("rbac.authorization.k8s.io/v1", "Role", namespace):
        rules = [rule for rule in role["rules"] if "httproutes" not in rule.get("resources", [])]
        if rules != role["rules"]:
            kube.merge("rbac.authorization.k8s.io/v1", "Role", namespace, role["metadata"]["name"], {"rules": rules})


def grant_everywhere(story: Story) -> None:
    """Move the operator's rights and its account out of the namespace, as a cluster-wide install has them."""
    story.operator.stop()
    member, namespace = story.member, story.scenario.namespace
    home = f"{namespace}-home"
    member.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}})
    story.stage.stack.callback(member.kube.delete, "v1", "Namespace", None, home)
    story.operator = operator_at_home(story, home)
    story.operator.start()
    story.wait("its first pass", lambda _: "this process leads" in story.operator.log(), 20)
    time.sleep(2)


def operator_at_home(story: Story, home: str) -> Any:
    objects = charted.rendered(f"mro-{home}", home, {"leaseDurationSeconds": 6})
    for obj in objects:
        if obj["kind"] in charted.RIGHTS and "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}):
            story.kube.apply(obj)
            if obj["kind"].startswith("Cluster"):
                name = obj["metadata"]["name"]
                story.stage.stack.callback(story.kube.delete, obj["apiVersion"], obj["kind"], None, name)
    account = next(obj["metadata"]["name"] for obj in objects if obj["kind"] == "ServiceAccount")
    made = charted.operator(story.member, story.scenario.namespace, name="home")
    made._kubeconfig = story.member.service_account_kubeconfig(home, account)
    made._env["POD_NAMESPACE"] = home
    lease = next(a for a in made._arguments if a.startswith("--lease-name="))
    role = next(o for o in objects if o["kind"] == "Role" and o["metadata"]["name"].endswith("-lease"))
    made._arguments[made._arguments.index(lease)] = f"--lease-name={role['rules'][0]['resourceNames'][0]}"
    return made
