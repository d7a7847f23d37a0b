"""The operator as a cluster would run it: the chart's ServiceAccount with the chart's rights, one per live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from helm_python.chart import Chart

from tests import ROOT
from tests.allowed import GATEWAYS, LOOPBACK
from tests.lab import OperatorProcess
from tests.lab import spawn as fork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab import Member, Spawn

CHART = ROOT / "charts" / "modelrollout"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def rendered(release: str, namespace: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chart's objects, by real Helm."""
    found = Chart.load(str(CHART)).render(dict(values), name=release, namespace=namespace)
    manifests = [text for path, text in found.items() if path.endswith(".yaml")]
    return [doc for text in manifests for doc in yaml.safe_load_all(text) if doc]


def grant(member: Member, namespace: str) -> tuple[str, list[str]]:
    """Give the operator of this namespace the chart's rights and no more.

    Returns its ServiceAccount's name and the arguments that the chart's Deployment starts it with.
    """
    values = {"watch": {"namespaces": [namespace], "gatewayNamespaces": ["infra"]}, "leaseDurationSeconds": 15}
    objects = rendered(f"mro-{namespace}", namespace, values)
    for obj in objects:
        if obj["kind"] in RIGHTS and "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}):
            member.kube.apply(obj)
    pod = next(obj for obj in objects if obj["kind"] == "Deployment")["spec"]["template"]["spec"]
    local = ("--config=", "--health-port=", "--metrics-port=")
    arguments = [arg for arg in pod["containers"][0]["args"] if not arg.startswith(local)]
    return str(pod["serviceAccountName"]), arguments


def configuration(prometheus: str, *, patience: str = "2s", **changes: Any) -> dict[str, Any]:
    """The lab's configuration: scrapes and probes in seconds; Query gates on a server of their own name.

    `patience`: how long an answer of Prometheus may take.
    """
    server = {"url": prometheus, "scrapeInterval": "1s", "timeout": patience}
    free = server | {"name": "free", "allowQueries": True}
    made = {"prometheus": [server | {"name": "default"}, free], "probeInterval": "1s", "resync": "2s"}
    return made | {"probes": LOOPBACK, "gateways": GATEWAYS} | changes


def operator(
    member: Member,
    namespace: str,
    *,
    prometheus: str | None = None,
    api: str | None = None,
    name: str = "1",
    arguments: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    fresh: bool = False,
    spawn: Spawn | None = None,
    **config: Any,
) -> OperatorProcess:
    """An operator for one namespace, not started yet; `api` and `prometheus` may be proxies.

    `fresh`: every start is a new interpreter's, imports and all, as in a Pod; otherwise a fork of one that has them.
    `spawn`: starts it instead of either.
    """
    known = sorted(name for name in env or {} if name.startswith("PYTHON"))
    assert fresh or not known, f"{known} would not reach a fork, whose interpreter has begun; ask for fresh=True"
    account, charted = grant(member, namespace)
    kubeconfig = member.service_account_kubeconfig(namespace, account, server=api)
    file = member.site.folder / f"operator-{namespace}.yaml"
    file.write_text(yaml.safe_dump(configuration(prometheus or member.site.prometheus, **config)))
    given = [*charted, f"--config={file}", "--health-port=0", *arguments]
    environment = {"POD_NAMESPACE": namespace, "POD_NAME": f"operator-{name}"} | dict(env or {})
    start = spawn or (None if fresh else fork)
    return OperatorProcess(member.site, kubeconfig, given, name=f"{namespace}-{name}", env=environment, spawn=start)
