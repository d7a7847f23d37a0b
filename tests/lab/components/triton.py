"""One real tritonserver on its own loopback address: port 8000 serves HTTP, 8001 gRPC if asked for, 8002 metrics."""

from __future__ import annotations

import random
import secrets
import socket
import weakref
from typing import TYPE_CHECKING

from tests.lab.install.triton_install import triton_installation
from tests.lab.processes.process import Process, answers, clean_shared_memory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.session.site import Site

HTTP, GRPC, METRICS = 8000, 8001, 8002


def claimed_address() -> tuple[str, socket.socket]:
    """An address in 127.64.0.0/10 (like a Pod's own) where nobody listens on our ports, and nobody will.

    The claim is a UDP port there, open until it is closed: others that draw the same address, before our server listens
    or while it is down, cannot have it.
    """
    for _ in range(100):
        address = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((address, HTTP))
            for port in (HTTP, GRPC, METRICS):
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            claim.close()
            continue
        return address, claim
    raise RuntimeError("found no loopback address with ports 8000 to 8002 free")


class Triton:
    """Serves one model of one repository. `name` names its log; `address` is its own."""

    def __init__(self, site: Site, name: str, repository: Path, model: str, *, grpc: bool = False) -> None:
        self.name, self.model, self._site, self._repository, self._grpc = name, model, site, repository, grpc
        self.address, claim = claimed_address()
        weakref.finalize(self, claim.close)
        self.url = f"http://{self.address}:{HTTP}"
        # Regions are found by the lab's mark after a crash; the rest keeps servers apart.
        self._region = f"{site.mark}-{secrets.token_hex(4)}"
        self.process: Process | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def launch(self) -> None:
        """Start without waiting, so that several can start at once; follow with `wait_ready`."""
        installed = triton_installation()
        self.process = Process(
            self.name,
            self._command(installed.server, installed.backends),
            self._site.folder / "triton",
            self._site.mark,
            env=installed.environment(self._site.model_python),
        )

    def wait_ready(self, deadline: float = 60.0) -> None:
        """Return when the model is ready (about 2 s after `launch`) and the metrics, which start last, are served."""
        assert self.process is not None, "launch first"
        pages = (f"{self.url}/v2/models/{self.model}/ready", f"http://{self.address}:{METRICS}/metrics")
        self.process.wait_ready(lambda: all(answers(page) for page in pages), deadline)

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Let running requests end, then end it; idempotent."""
        if self.process is not None:
            self.process.stop()
        clean_shared_memory(self._region)

    def kill(self) -> None:
        """SIGKILL, stubs included, as a node's failure would."""
        if self.process is not None:
            self.process.kill()
        clean_shared_memory(self._region)

    def _models(self) -> list[str]:
        """Ours, and the network that it asks, where it has one of its own."""
        network = f"{self.model}_network"
        return [*([network] if (self._repository / network).is_dir() else []), self.model]

    def _command(self, server: Path, backends: Path) -> list[str]:
        return [
            str(server),
            f"--model-repository={self._repository}",
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={self._region}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self._models()),
            "--strict-readiness=false",
            "--disable-auto-complete-config",  # the configurations are complete, and asking costs a process each
            f"--http-address={self.address}",
            f"--http-port={HTTP}",
            "--http-thread-count=4",
            f"--allow-grpc={str(self._grpc).lower()}",
            f"--grpc-address={self.address}",
            f"--grpc-port={GRPC}",
            f"--metrics-address={self.address}",
            f"--metrics-port={METRICS}",
            "--metrics-interval-ms=1000",
            "--allow-gpu-metrics=false",
            "--allow-cpu-metrics=false",
            # Idle keep-alive connections make it wait for all of it; no request here takes as long.
            "--exit-timeout-secs=1",
            "--metrics-config=summary_latencies=true",
            "--metrics-config=summary_quantiles=0.5:0.05,0.9:0.01,0.99:0.001",
        ]
