"""`python -m tests.bench.stores victoria=PATH prometheus=PATH`: what the operator would wait for at each store.

VictoriaMetrics is no part of the lab: `go build` its app/victoria-metrics. Prometheus is the lab's. Each scrapes a
counter every second, and is asked by the operator's own ledger.
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import LedgerFailure
from tests.bench.stores import promotions
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


def command(kind: str, program: str, folder: Path, port: int, flags: list[str]) -> list[str]:
    config = folder / "scrape.yaml"
    found = {"file_sd_configs": [{"files": [f"{folder}/*.json"], "refresh_interval": "1s"}]}
    if kind == "victoria":
        found["file_sd_configs"][0].pop("refresh_interval")  # it has a flag for it
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
def running(kind: str, program: str, flags: list[str]) -> Iterator[tuple[Path, PrometheusServer]]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        process = subprocess.Popen(
            command(kind, program, folder, port, flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield folder, PrometheusServer(url=f"http://127.0.0.1:{port}", scrape_interval=1.0, allow_queries=True)
        finally:
            process.terminate()
            process.wait(20)


def target(folder: Path, name: str) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
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


async def main(programs: dict[str, str]) -> None:
    print(
        "| store | first target seen after | a later one | age of the newest sample | of a Query gate's newest value |"
    )
    print("|---|---|---|---|---|")
    for kind, program in programs.items():
        for flags in ([], ["-promscrape.fileSDCheckInterval=1s"]) if kind == "victoria" else ([],):
            print(await measure(kind, program, flags), flush=True)


if __name__ == "__main__":
    given = dict(one.split("=", 1) for one in sys.argv[1:])
    asyncio.run(main(given))
    if "victoria" in given:
        print("\n| store | one promotion | took |\n|---|---|---|", flush=True)
        for told in promotions.told(given["victoria"]):
            print(told, flush=True)
