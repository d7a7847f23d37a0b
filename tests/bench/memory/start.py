"""A start with thousands of ModelRollouts on a real API server: the most memory that the process takes by its first
record of each. `python -m tests.bench.memory.start` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from modelrollout.adapters.kubernetes.client import Api, connect, path_of
from modelrollout.api.base import GROUP_VERSION, PLURAL
from tests import ROOT
from tests.lab import Certificates, ControlPlane, Guardian, Kube, Process, gateway_api, provision, write_kubeconfig
from tests.unit.api.manifests import manifest

IN_ONE = 50
"""Resources of one namespace."""
AT_ONCE = 24
POLL = 2.0


async def fill(kubeconfig: Path, number: int) -> None:
    """That many resources, IN_ONE a namespace."""
    async with await connect(str(kubeconfig)) as api:
        for index in range(-(-number // IN_ONE)):
            meta = {"name": f"tenant-{index}"}
            await api.post(
                "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, timeout=30
            )
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_one(api, turns, index) for index in range(number)))
    await asyncio.sleep(0.05)


async def _one(api: Api, turns: asyncio.Semaphore, index: int) -> None:
    body = manifest()
    namespace = f"tenant-{index // IN_ONE}"
    body["metadata"] |= {"name": f"digits-{index}", "namespace": namespace}
    async with turns:
        await api.post(path_of(GROUP_VERSION, PLURAL, namespace), body, timeout=60)


async def recorded(kubeconfig: Path, process: Process, number: int, patience: float) -> tuple[int, float]:
    """(resources with a recorded phase, seconds until all had one or `patience` was over)."""
    began = time.monotonic()
    async with await connect(str(kubeconfig), timeout=60) as api:
        while True:
            done = await _with_a_phase(api)
            seconds = time.monotonic() - began
            if done >= number or seconds > patience or not process.running:
                break
            await asyncio.sleep(POLL)
    await asyncio.sleep(0.05)
    return done, seconds


async def _with_a_phase(api: Api) -> int:
    found, query = 0, {"limit": "500"}
    while True:
        page = await api.request("GET", path_of(GROUP_VERSION, PLURAL), query=query)
        found += sum("phase" in one.get("status", {}) for one in page["items"])
        token = page["metadata"].get("continue")
        if not token:
            return found
        query = {"limit": "500", "continue": token}


def most_memory(pid: int) -> float:
    """The most resident memory that a process has had, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def measure(number: int, patience: float, folder: Path) -> dict[str, Any]:
    """Start everything, and stop it."""
    provision()
    mark = f"modelrollout-lab-{secrets.token_hex(5)}"
    guardian = Guardian(mark, folder)
    control = ControlPlane(folder, mark, Certificates.create(folder / "certificates"))
    try:
        control.start()
        authority = control.certificates.authority
        kubeconfig = write_kubeconfig(folder / "kubeconfig", control.url, authority, control.admin_token)
        kube = Kube(kubeconfig)
        for body in (*gateway_api(), *(yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml"))):
            kube.create(body)
        kube.wait_served([f"/apis/{GROUP_VERSION}/{PLURAL}", "/apis/gateway.networking.k8s.io/v1/httproutes"])
        kube.close()
        asyncio.run(fill(kubeconfig, number))
        process = _operator(folder, mark, kubeconfig)
        done, seconds = asyncio.run(recorded(kubeconfig, process, number, patience))
        if not process.running:
            raise RuntimeError(f"the operator ended: {process.log.read_text()[-2000:]}")
        most = most_memory(process.pid)
        process.stop()
        return {"resources": number, "recorded": done, "seconds": round(seconds), "most": round(most)}
    finally:
        control.stop()
        guardian.dismiss()


def _operator(folder: Path, mark: str, kubeconfig: Path) -> Process:
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"prometheus": [{"name": "default", "url": "http://127.0.0.1:9"}]}))
    # On a machine that is busy with the API server a renewal may come late, which is not what is measured.
    arguments = [f"--config={config}", f"--kubeconfig={kubeconfig}", "--health-port=0", "--lease-duration=240"]
    env = {"PYTHONPATH": str(ROOT / "operator")}
    return Process("operator", [sys.executable, "-m", "modelrollout", *arguments], folder, mark, env=env)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory.start", description=__doc__)
    parser.add_argument("--resources", type=int, default=5000)
    parser.add_argument(
        "--patience", type=float, default=600.0, help="seconds at the most until all are recorded (600)"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(given.resources, given.patience, Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
