"""A real MLflow server with its SQLite store; it comes from an environment of its own (make mlflow)."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests import ROOT
from tests.lab.processes.process import Process, answers, free_port

PROGRAM = ROOT / ".venv-mlflow/bin/mlflow"
MISSING = "MLflow is not installed: make mlflow"
_API = "/api/2.0/mlflow/"
#: It tells nobody that it runs, asks nothing of the network, and runs no jobs.
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
#: Seconds: a machine that has just installed it compiles it first.
_PATIENCE = 240.0


class ModelRegistry:
    """`url` is its address. It can be stopped and started again."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder, self._mark = folder, mark

    @staticmethod
    def missing() -> str:
        """Why there is none; empty where there is. AssertionError where there has to be one."""
        if PROGRAM.exists():
            return ""
        assert not os.environ.get("MODELROLLOUT_MLFLOW_REQUIRED"), MISSING
        return MISSING

    def start(self) -> None:
        """Return when it answers; what it has stored before is there."""
        store = ["--backend-store-uri", f"sqlite:///{self._folder / 'registry.db'}", "--no-serve-artifacts"]
        command = [str(PROGRAM), "server", *store, "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self.process = Process("mlflow", command, self._folder, self._mark, env=_QUIET)
        self.process.wait_ready(lambda: answers(f"{self.url}/health"), _PATIENCE)

    def stop(self) -> None:
        self.process.stop(1)

    def model(self, name: str, versions: int) -> None:
        """A registered model with versions 1 to `versions`."""
        self.call("POST", "registered-models/create", {"name": name})
        for _ in range(versions):
            self.call("POST", "model-versions/create", {"name": name, "source": "s3://models/digits"})

    def aliases(self, name: str) -> dict[str, str]:
        found = self.call("GET", "registered-models/get", {"name": name})["registered_model"].get("aliases", [])
        return {one["alias"]: one["version"] for one in found}

    def tags(self, name: str, version: str) -> dict[str, str]:
        found = self.call("GET", "model-versions/get", {"name": name, "version": version})["model_version"]
        return {one["key"]: one["value"] for one in found.get("tags", [])}

    def call(self, method: str, path: str, about: dict[str, str]) -> Any:
        """A call as the documentation of its REST API has it."""
        query = f"?{urlencode(about)}" if method == "GET" else ""
        body = None if method == "GET" else json.dumps(about).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{_API}{path}{query}", body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path} {about}: {error.code} {error.read(300)!r}") from None
