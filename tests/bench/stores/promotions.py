"""One promotion of the lab on each store: how long it takes from the commit to the end, all else alike."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.lab import Lab, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

GATES = ("errors", "latency", "accuracy", "dead-neurons", "non-finite")


@contextmanager
def victoria(program: str, lab: Lab, flags: list[str]) -> Iterator[str]:
    """Its address; it scrapes what the lab's Prometheus does."""
    with tempfile.TemporaryDirectory() as name:
        port, config = free_port(), Path(name) / "scrape.yaml"
        models = {"job_name": "triton", "file_sd_configs": [{"files": [f"{lab.site.targets}/*.json"]}]}
        gateway = {"job_name": "traefik", "static_configs": [{"targets": [lab.site.gateway_metrics]}]}
        whole = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        config.write_text(yaml.safe_dump({"global": whole, "scrape_configs": [models, gateway]}))
        where = [f"-storageDataPath={name}/data", f"-httpListenAddr=127.0.0.1:{port}"]
        command = [program, f"-promscrape.config={config}", *where, *flags]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(3)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def told(program: str) -> Iterator[str]:
    """A row for each store, as soon as it is known."""
    with Lab() as lab:
        yield row("prometheus", *promoted(lab, "on-prometheus", lab.prometheus.url))
        for number, flags in enumerate(([], ["-promscrape.fileSDCheckInterval=1s"])):
            with victoria(program, lab, flags) as url:
                yield row(f"victoria {' '.join(flags)}", *promoted(lab, f"on-victoria-{number}", url))


def promoted(lab: Lab, namespace: str, url: str) -> tuple[str, float]:
    """(how it ended, seconds). The candidate's servers start with the commit, as its Pods would."""
    with ExitStack() as stack:
        live = Rollouts(lab.member, namespace, stack).start(1, rate=BRISK, operate={"prometheus": url})
        live.adopt(gates=gates(*GATES))
        time.sleep(70)  # stable's series are there, whatever the store
        began = time.monotonic()
        live.version(2)
        live.scenario.serve(2)
        result = live.ended(300)["history"][-1]["result"]
        return result, time.monotonic() - began


def row(store: str, result: str, seconds: float) -> str:
    return f"| {store} | {result} | {seconds:.0f} s |"
