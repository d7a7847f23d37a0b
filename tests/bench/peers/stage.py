"""What a round needs before its story begins: a lab, backends, clients, and every tool with its canaries at rest."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import requests

from tests import ROOT
from tests.bench.peers import story
from tests.bench.peers.manifests import traefik_definitions
from tests.bench.peers.story import BY_NAME, PORT, WEIGHT, Canary
from tests.bench.peers.tools import Seat, Setting, Tool
from tests.bench.peers.world.gate import Gate
from tests.bench.peers.world.keeper import Keeper
from tests.bench.peers.world.recorder import Recorder
from tests.bench.peers.world.workloads import Workloads
from tests.lab import Lab, Process, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from tests.bench.peers.outcomes import Count

Chosen = tuple[type[Tool], Setting]
Both = tuple[story.Behaviour, story.Behaviour]
"""Of stable and of the candidate."""


class Stage:
    """`tools` and `recorders` belong together, one by one; what is started here ends with `stack`."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        self.lab, self._stack = lab, stack
        self.tools: list[Tool] = []
        self.recorders: list[Recorder] = []

    def set_up(
        self, chosen: Sequence[Chosen], canaries: Callable[[int, str], list[Canary]], seed: int, deadline: float
    ) -> None:
        """Return when all canaries serve their stable version. TimeoutError after `deadline` seconds.

        `canaries` makes those of a tool, given its number and namespace.
        """
        kube, programs = self.lab.kube, {tool.program for tool, _ in chosen if tool.program is not None}
        bodies = [*traefik_definitions(), *(each for program in programs for each in program.definitions())]
        for body in bodies:
            kube.create(body)
        kube.wait_served([path for body in bodies for path in served(body)])
        hook = self._stack.enter_context(Gate()).url
        for number, (tool, setting) in enumerate(chosen, start=1):
            namespace = f"{tool.name.split()[0].lower()}-{setting.name}"
            kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            member = self.lab.member
            api, prometheus = member.api_faults(), member.http_faults(self.lab.site.prometheus)
            self.tools.append(
                tool(Seat(member, namespace, canaries(number, namespace), api, prometheus, hook), setting)
            )
        self._start_world(seed)
        for each in self.tools:
            say(f"starting {each.title}")
            each.start()
            self._stack.callback(each.stop)
            recorder = Recorder(kube, each.kind, each.seat.namespace, each.share)
            self.recorders.append(recorder.start())
            self._stack.callback(recorder.stop)
        self._stack.callback(Keeper(self.tools).start().stop)
        for each in self.tools:
            each.wait_at_rest(deadline)
            say(f"{each.title}: {len(each.seat.canaries)} canaries are set up")

    def _start_world(self, seed: int) -> None:
        """Backends, clients, and what a kubelet would say."""
        folder, canaries = self.lab.folder, [each for tool in self.tools for each in tool.seat.canaries]
        arms = [
            {
                "address": canary.addresses[arm],
                "model": canary.name,
                "version": str(version),
                # The same for every tool: chance treats them alike.
                "seed": f"{seed}/{canary.name}/{arm}",
            }
            for canary in canaries
            for version, arm in enumerate(story.ARMS, start=1)
        ]
        clients = {each.host: (f"{seed}/{each.name}", each.rate) for each in canaries}
        (folder / "arms.json").write_text(json.dumps(arms))
        (folder / "load.json").write_text(json.dumps(clients))
        self._run("backends", str(folder / "arms.json"))
        self._run("load", self.lab.site.gateway, str(folder / "load.json"))
        peers = [tool.seat.namespace for tool in self.tools if tool.program is not None]
        self._stack.callback(Workloads(self.lab.kube, peers).start().stop)

    def _run(self, name: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"tests.bench.peers.world.{name}", *arguments]
        path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")])}
        process = Process(name, command, self.lab.folder, self.lab.mark, env=path)
        self._stack.callback(process.stop)

    def begin(self, deadline: float) -> None:
        """Every canary to its weight; the record of weights begins here."""
        for recorder in self.recorders:
            recorder.forget()
        for tool in self.tools:
            for canary in tool.seat.canaries:
                tool.begin(canary)
        say(f"new versions are asked for; waiting until each has {WEIGHT} %")
        end = time.monotonic() + deadline
        while (late := self._late()) and time.monotonic() < end:
            time.sleep(1)
        if late:
            say(f"these had no traffic within {deadline:.0f} s: {', '.join(late)}")

    def _late(self) -> list[str]:
        """The canaries that never had traffic."""
        found = []
        for tool, recorder in zip(self.tools, self.recorders, strict=True):
            exposed = {name for name, seen in recorder.shares() if any(share > 0 for _, share in seen)}
            found += [f"{tool.title}: {each.name}" for each in tool.seat.canaries if each.name not in exposed]
        return found

    def behave(self, of: Callable[[story.Scenario], Both]) -> None:
        """Every backend as its scenario says."""
        for tool in self.tools:
            for canary in tool.seat.canaries:
                for arm, behaviour in zip(story.ARMS, of(BY_NAME[canary.scenario]), strict=True):
                    set_behaviour(canary, arm, behaviour)

    def exposed(self) -> dict[str, int]:
        """How many candidates of each tool have traffic."""
        return {
            tool.title: sum(bool(seen) and seen[-1][1] > 0 for _, seen in recorder.shares())
            for tool, recorder in zip(self.tools, self.recorders, strict=True)
        }

    def counts(self) -> dict[str, list[Count]]:
        """What the clients saw up to some seconds ago, by host."""
        found: dict[str, list[Count]] = {}
        for host, second, version, status, number in json.loads((self.lab.folder / "load.counts").read_text()):
            found.setdefault(host, []).append((second, version, status, number))
        return found


def set_behaviour(canary: Canary, arm: str, behaviour: story.Behaviour) -> None:
    """From now on that backend is like that."""
    url = f"http://{canary.addresses[arm]}:{PORT}/behave"
    requests.post(url, json=vars(behaviour), timeout=5).raise_for_status()


def served(definition: dict[str, Any]) -> list[str]:
    """Where the API server will serve it."""
    spec = definition["spec"]
    versions = [each["name"] for each in spec["versions"] if each["served"]]
    return [f"/apis/{spec['group']}/{version}/{spec['names']['plural']}" for version in versions]
