"""The operator runs as a child with nothing but its own kubeconfig and configuration, as it would in a Pod."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests import ROOT
from tests.lab.processes.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.processes.spawning import Spawn
    from tests.lab.session.site import Site

SKEW = Path(__file__).with_name("skew")
"""On PYTHONPATH, with MODELROLLOUT_LAB_SKEW seconds, it gives a process a wall clock of its own."""


class OperatorProcess:
    """`python -m modelrollout ARGUMENTS`; its log is `operator-NAME.log` in the lab's folder."""

    def __init__(
        self,
        site: Site,
        kubeconfig: Path,
        arguments: Sequence[str] = (),
        *,
        name: str = "1",
        env: Mapping[str, str] | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        """`spawn`: forked.spawn saves the imports; without it every start is a new interpreter's, as in a Pod."""
        self._spawn = spawn
        self._site, self._kubeconfig, self._name = site, kubeconfig, name
        self._arguments, self._env = list(arguments), dict(env or {})

    def start(self, ready: Callable[[], bool] | None = None, deadline: float = 30.0) -> Self:
        """Start, and with `ready` wait until it is true (an HTTP probe, a status field)."""
        env = {
            "KUBECONFIG": str(self._kubeconfig),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "operator")]),
        } | self._env
        # The Kubernetes client reads $KUBECONFIG when it is imported, and a fork has that behind it.
        named = [f"--kubeconfig={self._kubeconfig}"] if self._spawn else []
        self.process = Process(
            f"operator-{self._name}",
            [sys.executable, "-m", "modelrollout", *named, *self._arguments],
            self._site.folder,
            self._site.mark,
            env=env,
            spawn=self._spawn,
        )
        if ready is not None:
            self.process.wait_ready(ready, deadline)
        return self

    def stop(self) -> None:
        self.process.stop(10)

    def kill(self) -> None:
        """SIGKILL, as a node's failure would; start again with `start`."""
        self.process.kill()

    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    def usage(self) -> tuple[float, float]:
        """(resident memory in bytes, CPU seconds used so far)."""
        process = psutil.Process(self.process.pid)
        times = process.cpu_times()
        return float(process.memory_info().rss), float(times.user + times.system)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "process"):
            self.stop()
