"""The prober as a cluster would run it: the chart's ServiceAccount with the chart's rights, scraped by Prometheus."""

from __future__ import annotations

import base64
import io
import os
import sys
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import yaml
from pyarrow import parquet as pq

from tests import ROOT
from tests.e2e.support.operator import RIGHTS, configuration, rendered
from tests.lab import Process, free_port, remove_target, write_target

if TYPE_CHECKING:
    from tests.lab import Member

GOLDEN = "digits-golden"
PREFLIGHT: dict[str, Any] = {
    "goldenSet": {"configMap": GOLDEN, "key": "rows.npz", "output": "CLASS"},
    "rate": 60,
    "deadline": "3m",
}


def golden_set(member: Member, namespace: str, *, parquet: bool = False, **arrays: Any) -> None:
    """The ConfigMap with the golden set; what it is packed in is told by the file, not by the key."""
    file = io.BytesIO()
    if parquet:
        table = pa.table({name: list(array) for name, array in arrays.items()})
        pq.write_table(table, file)
    else:
        np.savez(file, **arrays)
    text = base64.b64encode(file.getvalue()).decode()
    meta = {"name": GOLDEN, "namespace": namespace}
    member.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "binaryData": {"rows.npz": text}})


class ProberProcess:
    """`modelrollout-prober` for one namespace, not started yet. A context manager."""

    def __init__(self, member: Member, namespace: str) -> None:
        self._member, self._namespace = member, namespace
        values = {"watch": {"namespaces": [namespace], "gatewayNamespaces": ["infra"]}, "prober": {"enabled": True}}
        objects = rendered(f"mro-{namespace}", namespace, values)
        deployment = next(obj for obj in objects if obj["kind"] == "Deployment" and _probers(obj))
        self.name = str(deployment["metadata"]["name"])
        for obj in objects:
            if obj["kind"] in (*RIGHTS, "ConfigMap") and _probers(obj):
                member.kube.apply(obj)
        args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        self._charted = [arg for arg in args if not arg.startswith(("--config=", "--metrics-port="))]

    @property
    def for_the_operator(self) -> tuple[str, ...]:
        """What the chart starts the operator with where there is a prober."""
        return (f"--preflight-reports={self.name}",)

    def start(self) -> Self:
        site = self._member.site
        kubeconfig = self._member.service_account_kubeconfig(self._namespace, self.name)
        file = site.folder / f"prober-{self._namespace}.yaml"
        file.write_text(yaml.safe_dump(configuration(site.prometheus)))
        port = free_port()
        run = "import sys; from modelrollout.prober.main import main; sys.exit(main())"
        here = [f"--config={file}", f"--metrics-port={port}", "--metrics-host=127.0.0.1", f"--kubeconfig={kubeconfig}"]
        env = {"POD_NAMESPACE": self._namespace, "PYTHONPATH": os.pathsep.join([str(ROOT / "operator")])}
        command = [sys.executable, "-u", "-c", run, *self._charted, *here]
        self.process = Process(f"prober-{self._namespace}", command, site.folder, site.mark, env=env)
        write_target(site.targets, f"prober-{self._namespace}", f"127.0.0.1:{port}", {})
        return self

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.process.kill()

    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        remove_target(self._member.site.targets, f"prober-{self._namespace}")
        self.process.stop(10)


def _probers(obj: dict[str, Any]) -> bool:
    return "-preflight" in obj["metadata"]["name"]
