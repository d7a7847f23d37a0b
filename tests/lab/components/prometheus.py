"""Prometheus scrapes the gateway and every model server; it can be stopped, started and paused with its data kept."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.lab.processes.process import Process, answers, free_port


class Prometheus:
    """`url` is its address; `targets` is a folder where one file per model server appears and disappears."""

    def __init__(
        self,
        folder: Path,
        mark: str,
        *,
        gateway: str,
        targets: Path,
        scrape: float = 1.0,
        jobs: Sequence[dict[str, Any]] = (),
        more: dict[str, Any] | None = None,
    ) -> None:
        """`jobs`: more scrape configs on the model servers; one called triton replaces the usual one.

        `more`: further parts of its configuration, such as rule_files and alerting.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.targets = targets
        self.targets.mkdir(parents=True, exist_ok=True)
        self._folder, self._mark, self._gateway, self._scrape = folder, mark, gateway, scrape
        self._jobs, self._more = list(jobs), more or {}

    def start(self) -> None:
        """Return when it answers queries. Started again after `stop` it has its old data."""
        config = self._folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        self.process = Process(
            "prometheus",
            [
                _prometheus(),
                f"--config.file={config}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                "--storage.tsdb.retention.time=2h",
                "--log.level=warn",
            ],
            self._folder,
            self._mark,
        )
        self.process.wait_ready(lambda: answers(f"{self.url}/-/ready"))

    def stop(self) -> None:
        self.process.stop()

    def pause(self) -> None:
        """Stop answering and scraping while keeping the port open: callers hang until their timeout."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.signal(signal.SIGCONT)

    def query(self, promql: str, *, timeout: float = 5.0) -> list[dict[str, Any]]:
        """An instant query's result list."""
        return query(self.url, promql, timeout=timeout)

    def _config(self) -> dict[str, Any]:
        interval = f"{int(self._scrape * 1000)}ms"
        found = {"file_sd_configs": [{"files": [f"{self.targets}/*.json"], "refresh_interval": "1s"}]}
        models = [found | one for one in self._jobs]
        if not any(one["job_name"] == "triton" for one in models):
            models.insert(0, {"job_name": "triton"} | found)
        gateway = {"job_name": "traefik", "static_configs": [{"targets": [self._gateway]}]}
        return {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "scrape_configs": [gateway, *models],
        } | self._more


def query(url: str, promql: str, *, timeout: float = 5.0) -> list[dict[str, Any]]:
    """An instant query's result list from the server at `url`. requests.RequestException when it fails."""
    session = requests.Session()
    session.trust_env = False
    with session:
        answer = session.get(f"{url}/api/v1/query", params={"query": promql}, timeout=timeout)
    answer.raise_for_status()
    return list(answer.json()["data"]["result"])


def write_target(folder: Path, name: str, address: str, labels: dict[str, str]) -> None:
    """Make Prometheus scrape `address` under `labels`; by rename, so that no half-written file is read."""
    half = folder / f".{name}.half"
    half.write_text(json.dumps([{"targets": [address], "labels": labels}]))
    half.rename(folder / f"{name}.json")


def remove_target(folder: Path, name: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)


def _prometheus() -> str:
    found = shutil.which("prometheus")
    if found is None:
        raise FileNotFoundError("prometheus is not installed; run `python -m tests.lab.install.provision` as root")
    return found
