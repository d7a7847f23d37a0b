"""The two processes of a row: the world, and the operator as a Pod runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import psutil
import requests
import yaml

from tests import ROOT
from tests.allowed import GATEWAYS, LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")])}


class World:
    """The stand-in for the cluster, in a process of its own; `order` has it do something."""

    def __init__(self, layers: int, seconds: float) -> None:
        command = [sys.executable, "-m", "tests.bench.scale.world", f"--layers={layers}", f"--seconds={seconds}"]
        self._process = subprocess.Popen(command, env=ENV, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        ports = json.loads(self._process.stdout.readline())
        self.api, self.prometheus = (f"http://127.0.0.1:{ports[name]}" for name in ("api", "prometheus"))

    def order(self, do: str, **about: Any) -> Any:
        answer = requests.post(f"{self.api}/orders", json={"do": do, **about}, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@dataclass(frozen=True)
class Usage:
    """Of the operator's process so far: CPU seconds, and resident bytes now."""

    cpu: float
    memory: int


class Operator:
    """`python -m modelrollout` of the folder `source` with the defaults, its log in `folder`."""

    def __init__(self, world: World, folder: Path, source: Path, *, metrics: int = 0) -> None:
        """`metrics`: the port of its own metrics; 0 for none."""
        config = {
            "prometheus": [{"url": world.prometheus, "gatewayMatchers": 'job="traefik"'}],
            "probes": LOOPBACK,
            "gateways": GATEWAYS,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "kubeconfig").write_text(yaml.safe_dump(_kubeconfig(world.api)))
        self.log = folder / "operator.log"
        given = [f"--config={folder / 'config.yaml'}", f"--kubeconfig={folder / 'kubeconfig'}", "--health-port=0"]
        given += [f"--metrics-port={metrics}", "--metrics-host=127.0.0.1"]
        env = ENV | {"KUBECONFIG": str(folder / "kubeconfig"), "POD_NAMESPACE": "team-00", "POD_NAME": "operator-1"}
        env |= {"PYTHONPATH": str(source)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "modelrollout", *given], env=env, stderr=self.log.open("w")
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        process = psutil.Process(self.pid)
        times = process.cpu_times()
        return Usage(times.user + times.system, process.memory_info().rss)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "world", "cluster": {"server": server}}],
        "users": [{"name": "operator", "user": {"token": "none"}}],
        "contexts": [{"name": "world", "context": {"cluster": "world", "user": "operator"}}],
        "current-context": "world",
    }
