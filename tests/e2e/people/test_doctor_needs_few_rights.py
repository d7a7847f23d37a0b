"""Whoever may view a namespace may ask doctor and plan: what they may not read is said, and harms nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.support.doctors import doctor, started
from tests.e2e.support.hands import kubectl
from tests.e2e.support.operator import rendered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.live_rollout import LiveRollout
    from tests.e2e.support.rollouts import Rollouts

RBAC = "rbac.authorization.k8s.io"


def viewer(live: LiveRollout) -> Path:
    """The kubeconfig of somebody with the role view, and what the chart adds to it, in the rollout's namespace."""
    kube, namespace = live.kube, live.scenario.namespace
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ann", "namespace": namespace}})
    roles = rendered(f"mro-{namespace}", namespace, {"watch": {"namespaces": [namespace]}})
    chart = next(one for one in roles if one["kind"] == "ClusterRole" and one["metadata"]["name"].endswith(":view"))
    kube.apply(chart)
    for number, role in enumerate(("system:aggregate-to-view", chart["metadata"]["name"])):
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"ann-{number}", "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "ann", "namespace": namespace}],
        }
        kube.apply(binding)
    return live.member.service_account_kubeconfig(namespace, "ann")


def test_a_viewer_of_the_namespace_sees_all_that_lies_in_it(rollouts: Rollouts):
    live = started(rollouts, own_gateway=True)
    mine = str(viewer(live))
    live.wait("stable's traffic", lambda _: live.scenario and doctor(live)[0] == 0, 60)
    code, found = doctor(live, "--kubeconfig", mine)
    levels = {one["check"]: (one["level"], one["message"]) for one in found}
    assert code == 0, found
    ok = ("gateway", "listener", "accepted", "addresses", "operator-alive", "reachable", "series")
    assert [levels[name][0] for name in ok] == ["OK"] * len(ok), found
    assert levels["shadowed"][0] == "Warning"
    assert "you may list httproutes of namespace" in levels["shadowed"][1]


def test_without_knowing_the_operator_the_rest_is_looked_at(rollouts: Rollouts):
    live = started(rollouts)
    mine = str(viewer(live))
    url, namespace = live.member.site.prometheus, live.scenario.namespace
    alone = kubectl(live, "doctor", "digits", "--kubeconfig", mine)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert "the operator's ConfigMap cannot be read" in alone.stdout
    assert "name it with --prometheus URL or --config FILE" in alone.stdout
    named = kubectl(live, "doctor", "digits", "--kubeconfig", mine, "--prometheus", url)
    assert "the gateway, Traefik: " in named.stdout, named.stdout + named.stderr

    planned = kubectl(live, "plan", "digits", "--operator-namespace", namespace)
    assert planned.returncode in (0, 1), planned.stderr
    assert "requests/s" in planned.stdout
