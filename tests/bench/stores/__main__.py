"""`python -m tests.bench.stores victoria=PATH prometheus=PATH`: what the operator would wait for at each store.

VictoriaMetrics is no part of the lab: `go build` its app/victoria-metrics. Prometheus is the lab's. Each scrapes a
counter every second, and is asked by the operator's own ledger. Targets are found in files, and by VictoriaMetrics as
Pods of a real API server too; Debian's Prometheus is built without that. With the word `pods`, `files` or `promotions`
that part alone is run.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import LedgerFailure
from tests.bench.stores import kubernetes, promotions
from tests.lab import free_port

POLL, LOOKS, DEADLINE = 0.1, 60, 120.0
"""Seconds between questions; questions of a running target; seconds that a new target may take to be found."""


class Counting(BaseHTTPRequestHandler):
    """A counter that is the time, so that a sample says by itself how old it is."""

    def do_GET(self) -> None:
        body = f"told_total {time.time():.3f}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def files(kind: str, folder: Path) -> dict[str, Any]:
    """Targets of a folder, looked for every second; VictoriaMetrics has a flag for how often."""
    often = {} if kind == "victoria" else {"refresh_interval": "1s"}
    return {"file_sd_configs": [{"files": [f"{folder}/*.json"], **often}]}


def command(kind: str, program: str, folder: Path, port: int, flags: list[str], found: dict[str, Any]) -> list[str]:
    config = folder / "scrape.yaml"
    whole = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config.write_text(yaml.safe_dump({"global": whole, "scrape_configs": [{"job_name": "told", **found}]}))
    if kind == "victoria":
        return [
            program,
            f"-promscrape.config={config}",
            f"-storageDataPath={folder}/data",
            f"-httpListenAddr=127.0.0.1:{port}",
            *flags,
        ]
    return [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        *flags,
    ]


@contextmanager
def running(
    kind: str, program: str, flags: list[str], found: dict[str, Any] | None = None
) -> Iterator[tuple[Path, PrometheusServer]]:
    """Its folder, and how it is asked; `found` says where its targets are, by default in files of that folder."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        asked = command(kind, program, folder, port, flags, found or files(kind, folder))
        process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield folder, PrometheusServer(url=f"http://127.0.0.1:{port}", scrape_interval=1.0, allow_queries=True)
        finally:
            process.terminate()
            process.wait(20)


def counting() -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def target(folder: Path, name: str) -> ThreadingHTTPServer:
    server = counting()
    half = folder / f"{name}.half"
    half.write_text(json.dumps([{"targets": [f"127.0.0.1:{server.server_port}"]}]))
    half.rename(folder / f"{name}.json")
    return server


async def newest(ledger: PrometheusLedger, server: PrometheusServer, instance: str) -> float | None:
    """Seconds between now and the newest sample of a target; None while there is none."""
    now = time.time()
    found = await ledger.range(server, f'{{__name__="told_total",instance="{instance}"}}', now - 60, now)
    if isinstance(found, LedgerFailure) or not found:
        return None
    return now - float(found[0].values[-1])


async def newest_of_query(ledger: PrometheusLedger, server: PrometheusServer, instance: str) -> float | None:
    """The same of a Query gate's value at the newest tick."""
    now = time.time()
    found = await ledger.steps(server, f'max(told_total{{instance="{instance}"}})', now - 60, now, 1.0)
    return None if isinstance(found, LedgerFailure) or not found else now - float(found[0].values[-1])


async def until_found(ledger: PrometheusLedger, server: PrometheusServer, folder: Path, name: str) -> tuple[str, float]:
    begun = time.monotonic()
    there = target(folder, name)
    instance = f"127.0.0.1:{there.server_port}"
    while await newest(ledger, server, instance) is None:
        if time.monotonic() - begun > DEADLINE:
            return instance, float("inf")
        await asyncio.sleep(POLL)
    return instance, time.monotonic() - begun


async def measure(kind: str, program: str, flags: list[str]) -> str:
    with running(kind, program, flags) as (folder, server):
        ledger = PrometheusLedger()
        await asyncio.sleep(4)
        _, first = await until_found(ledger, server, folder, "first")
        instance, later = await until_found(ledger, server, folder, "later")
        await asyncio.sleep(5)
        ages, queries = [], []
        for _ in range(LOOKS):
            ages.append(await newest(ledger, server, instance))
            queries.append(await newest_of_query(ledger, server, instance))
            await asyncio.sleep(POLL)
        ledger.close()
    told = [f"{first:.0f} s", f"{later:.0f} s", *(shown(one) for one in (ages, queries))]
    return f"| {kind} {' '.join(flags)} | " + " | ".join(told) + " |"


def shown(found: list[float | None]) -> str:
    known = [one for one in found if one is not None]
    return f"{median(known):.1f} s, at most {max(known):.1f} s" if known else "none"


async def in_kubernetes(program: str, flags: list[str], made: kubernetes.Pods) -> str:
    """How long each of some Pods waits for its first sample, made one after the other."""
    with running("victoria", program, flags, made.discovery()) as (_, server):
        ledger, waits = PrometheusLedger(), []
        await asyncio.sleep(kubernetes.PAUSE)
        for _ in range(kubernetes.PODS):
            address = f"127.0.0.1:{counting().server_port}"
            made.make(address)
            waits.append(await kubernetes.waited(partial(seen, ledger, server, address)))
            await asyncio.sleep(kubernetes.PAUSE)
        ledger.close()
    each = ", ".join(f"{one:.0f}" for one in waits)
    return f"| victoria {' '.join(flags)} | {each} s | {median(waits):.0f} s | {max(waits):.0f} s |"


async def seen(ledger: PrometheusLedger, server: PrometheusServer, instance: str) -> bool:
    return await newest(ledger, server, instance) is not None


async def pods(program: str) -> None:
    print("| store that asks the API server | each Pod's first sample after | median | at most |\n|---|---|---|---|")
    with kubernetes.pods() as made:
        for flags in ([], ["-promscrape.kubernetesSDCheckInterval=5s"]):
            print(await in_kubernetes(program, flags, made), flush=True)


async def in_files(programs: dict[str, str]) -> None:
    print(
        "| store | first target seen after | a later one | age of the newest sample | of a Query gate's newest value |"
    )
    print("|---|---|---|---|---|")
    for kind, program in programs.items():
        for flags in ([], ["-promscrape.fileSDCheckInterval=1s"]) if kind == "victoria" else ([],):
            print(await measure(kind, program, flags), flush=True)


if __name__ == "__main__":
    given = dict(one.split("=", 1) for one in sys.argv[1:] if "=" in one)
    parts = {one for one in sys.argv[1:] if "=" not in one} or {"files", "pods", "promotions"}
    if "files" in parts:
        asyncio.run(in_files(given))
    if "victoria" in given and "pods" in parts:
        asyncio.run(pods(given["victoria"]))
    if "victoria" in given and "promotions" in parts:
        print("\n| store | candidate's servers start | one promotion | took |\n|---|---|---|---|", flush=True)
        for told in promotions.told(given["victoria"]):
            print(told, flush=True)
