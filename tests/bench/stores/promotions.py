"""One promotion of the lab on each store: how long it takes from the commit to the end, all else alike.

The candidate's servers start with the commit, as its Pods would, or `known` long before it: then no store has to find
them any more, and what is left is how late its samples are.
"""

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
LOOKING = "-promscrape.fileSDCheckInterval="
CASES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("prometheus", (), False),
    ("victoria", (), False),
    ("victoria", (f"{LOOKING}30s",), False),  # as often as it asks the API server by default
    ("victoria", (f"{LOOKING}1s",), False),
    ("prometheus", (), True),
    ("victoria", (), True),
)
"""(store, its flags, whether the candidate's targets are known before the commit)."""


@contextmanager
def victoria(program: str, lab: Lab, flags: tuple[str, ...]) -> Iterator[str]:
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


def told(program: str, cases: tuple[int, ...] = tuple(range(len(CASES)))) -> Iterator[str]:
    """A row for each of CASES, as soon as it is known."""
    with Lab() as lab:
        for number in cases:
            store, flags, known = CASES[number]
            with ExitStack() as stack:
                url = stack.enter_context(victoria(program, lab, flags)) if store == "victoria" else lab.prometheus.url
                result, seconds = promoted(lab, f"on-store-{number}", url, known=known)
            targets = "before the commit" if known else "with the commit"
            yield f"| {' '.join((store, *flags))} | {targets} | {result} | {seconds:.0f} s |"


def promoted(lab: Lab, namespace: str, url: str, *, known: bool) -> tuple[str, float]:
    """(how it ended, seconds since the commit)."""
    with ExitStack() as stack:
        live = Rollouts(lab.member, namespace, stack).start(1, rate=BRISK, operate={"prometheus": url})
        live.adopt(gates=gates(*GATES))
        if known:
            live.scenario.serve(2)
        time.sleep(70)  # every store has found what is there
        began = time.monotonic()
        live.version(2)
        if not known:
            live.scenario.serve(2)
        result = live.ended(300)["history"][-1]["result"]
        return result, time.monotonic() - began
