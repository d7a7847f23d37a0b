"""What every tool can be asked for; one file a tool says how it is done."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from tests.bench.peers.story import ARMS, PORT, WEIGHT, Canary
from tests.bench.peers.world.workloads import ADDRESS
from tests.lab import write_target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab import FaultProxy, Member, Process, Program

Object = dict[str, Any]


@dataclass(frozen=True)
class Seat:
    """Where a tool works: its namespace and canaries, and the proxies that count what it asks."""

    member: Member
    namespace: str
    canaries: list[Canary]
    api: FaultProxy
    prometheus: FaultProxy
    hook: str

    @property
    def kubeconfig(self) -> Path:
        return self.member.admin_kubeconfig(server=self.api.url)

    def common(self, canary: Canary) -> dict[str, Any]:
        """What templates may say of a canary."""
        found = {"name": canary.name, "namespace": self.namespace, "host": canary.host, "port": PORT}
        return found | {"weight": WEIGHT, "most": 2 * WEIGHT} | canary.addresses

    def scrape(self, canaries: list[Canary]) -> None:
        """Make Prometheus read both versions' own series."""
        for canary in canaries:
            for arm in ARMS:
                labels = {"namespace": self.namespace, "service": f"{canary.name}-{arm}"}
                name = f"{self.namespace}-{canary.name}-{arm}"
                write_target(self.member.site.targets, name, f"{canary.addresses[arm]}:{PORT}", labels)


@dataclass(frozen=True)
class Setting:
    """`name` is "documented", "quickest" or "defaults"; `values` go into the templates, `shown` into the report."""

    name: str
    shown: str
    values: dict[str, Any]


class Tool(ABC):
    """One tool with one setting. Started once; `kind` is what it writes weights to."""

    name: ClassVar[str]
    kind: ClassVar[tuple[str, str]]
    program: ClassVar[Program | None] = None
    settings: ClassVar[tuple[Setting, ...]]
    process: Process

    def __init__(self, seat: Seat, setting: Setting) -> None:
        self.seat, self.setting = seat, setting
        self.restarts = 0

    @property
    def title(self) -> str:
        return f"{self.name}, {self.setting.name}"

    def start(self) -> None:
        """Apply everything, stable being the only version, and start the controller."""
        self.prepare()
        self.process = self.run()

    @abstractmethod
    def prepare(self) -> None:
        """Apply what the controller looks after."""

    @abstractmethod
    def run(self) -> Process:
        """The controller, started; it may be so again."""

    def stop(self) -> None:
        self.process.stop()

    @abstractmethod
    def at_rest(self) -> int:
        """How many canaries are set up and serve their stable version."""

    @abstractmethod
    def begin(self, canary: Canary) -> None:
        """Ask for the new version, as a commit would."""

    @abstractmethod
    def share(self, found: Object) -> int:
        """Percent for the candidate on an object of `kind`."""

    def usage(self) -> tuple[float, float]:
        """(CPU seconds so far, resident bytes)."""
        process = psutil.Process(self.process.pid)
        times = process.cpu_times()
        return times.user + times.system, float(process.memory_info().rss)

    def wait_at_rest(self, deadline: float) -> None:
        """TimeoutError after `deadline` seconds."""
        end = time.monotonic() + deadline
        while (ready := self.at_rest()) < len(self.seat.canaries):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.title}: {ready} of {len(self.seat.canaries)} are set up; {self.process.log}")
            time.sleep(1)


def new_template(canary: Canary) -> Object:
    """A merge patch of a workload: the candidate's Pods."""
    containers = [{"name": "model", "image": "lab/model:2"}]
    meta = {"annotations": {ADDRESS: canary.addresses["candidate"]}}
    return {"spec": {"template": {"metadata": meta, "spec": {"containers": containers}}}}
