"""Alertmanager, as it is built from its Go module: groups alerts, and calls whom its configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.lab.install.alertmanager_program import ALERTMANAGER
from tests.lab.processes.process import Process, answers, free_port


class Alertmanager:
    """`url` is its address. Built at the first start (minutes)."""

    def __init__(self, folder: Path, mark: str, config: dict[str, Any]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder, self._mark, self._config = folder, mark, config

    def start(self) -> None:
        """Return when it takes alerts."""
        ALERTMANAGER.build()
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "alertmanager.yaml"
        file.write_text(yaml.safe_dump(self._config))
        command = [str(ALERTMANAGER.binary), f"--config.file={file}", f"--storage.path={self._folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
        self.process = Process("alertmanager", command, self._folder, self._mark)
        self.process.wait_ready(lambda: answers(f"{self.url}/-/ready"))

    def stop(self) -> None:
        self.process.stop()
