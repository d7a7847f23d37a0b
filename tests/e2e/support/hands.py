"""What a person does to a rollout: commands by kubectl plugin, or the annotation written as anybody could write it."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from modelrollout.adapters.kubernetes.command_annotation import COMMAND, write_command
from modelrollout.api.base import PLURAL
from modelrollout.api.status import Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.observation import Command
from tests import ROOT
from tests.lab import WRITES, Fault, FaultProxy, LoadClient, Rule, bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support.live_rollout import LiveRollout
    from tests.lab import Exchange

PROMISE = 2.0
"""Seconds in which a command or an edited spec takes effect; asserted at three times its length."""
RECOVERY = 60.0
"""Seconds within which a killed operator's successor leads and acts, on a machine that runs other tests as well."""
PATIENT = ("--lease-duration=15",)
"""For tests about something else: a machine that is slow for some seconds must not depose the operator."""


@dataclass(frozen=True)
class Asked:
    """A command as sent: when (time.time()) and under which nonce."""

    at: float
    nonce: str


def ask(live: LiveRollout, verb: str, version: int | None = None, step: int | None = None, nonce: str = "") -> Asked:
    """Write the annotation and return at once."""
    nonce = nonce or uuid.uuid4().hex[:16]
    began = Status.model_validate(live.status()).subject
    about = "" if began is None else format_timestamp(began)
    named = str(version) if version else None
    who = getpass.getuser()
    text = write_command(Command(cast("Any", verb), nonce, named, step, by=who, why="a test", rollout=about))
    at = time.time()
    live.change({"metadata": {"annotations": {COMMAND: text}}})
    return Asked(at, nonce)


def answer(live: LiveRollout, asked: Asked, deadline: float = 20) -> str:
    """The operator's answer to this very command."""

    def told(status: dict[str, Any]) -> bool:
        return bool(status.get("lastCommand", {}).get("nonce") == asked.nonce)

    return str(live.wait("an answer", told, deadline)["lastCommand"]["result"])


def kubectl(live: LiveRollout, *words: str, namespace: str | None = None) -> subprocess.CompletedProcess[str]:
    """`kubectl modelrollout WORDS` as an admin; never raises for its exit code."""
    env = os.environ | {"KUBECONFIG": str(live.member.site.kubeconfig), "COLUMNS": "160"}
    env["PYTHONPATH"] = str(ROOT / "operator")
    command = [sys.executable, "-m", "modelrollout.cli.main", *words, "-n", namespace or live.scenario.namespace]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def waiting(live: LiveRollout, condition: str) -> Iterator[subprocess.Popen[str]]:
    """A real `kubectl wait` for a condition of the resource, for ten minutes at most."""
    kubectl = str(Path(sys.executable).with_name("kubectl"))
    words = ["wait", f"--for=condition={condition}", f"{PLURAL}/{live.name}", "-n", live.scenario.namespace]
    command = [kubectl, "--kubeconfig", str(live.member.site.kubeconfig), *words, "--timeout=600s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def took(live: LiveRollout, what: str, version: int, weight: int, since: float) -> float:
    """Seconds from `since` until the route gave `version` this weight; printed, and held to three promises."""
    service = live.scenario.service_name(version)
    end = time.time() + 10
    while (at := live.record.first(service, weight, since=since)) is None:
        assert time.time() < end, f"{what}: version {version} is not at {weight} %\n{live.report()}"
        time.sleep(0.02)
    print(f"{what} -> version {version} at {weight} %: {at - since:.3f} s (promised: {PROMISE:g} s)")
    assert at - since < 3 * PROMISE, what
    return at - since


class Killer:
    """SIGKILLs the operator at one of its writes: `before` it reaches the API server, or once it is committed.

    For a rollout whose operator is kept running.
    """

    def __init__(self, live: LiveRollout, proxy: FaultProxy) -> None:
        self.live, self.proxy = live, proxy

    @contextmanager
    def at(self, method: str, path: str, *, committed: bool) -> Iterator[Rule]:
        """Armed inside; afterwards the operator was killed (AssertionError if no such write came)."""
        fault = Fault(drop_answer=True) if committed else Fault(drop=True)
        rule = self.proxy.add(fault, method=method, path=path, times=1, when=self._kill)
        yield rule
        end = time.monotonic() + RECOVERY
        while not rule.used:
            assert time.monotonic() < end, f"no {method} {path} came\n{self.live.report()}"
            time.sleep(0.02)
        self.proxy.remove(rule)

    def _kill(self, exchange: Exchange) -> bool:
        if exchange.method in WRITES and not re.search("/leases", exchange.path):
            alive = self.live.operator.process.running
            self.live.operator.process.signal(signal.SIGKILL)
            return alive
        return False


def set_weight(live: LiveRollout, weight: int) -> None:
    """Someone sets the candidate's weight on the route."""
    kind = ("gateway.networking.k8s.io/v1", "HTTPRoute", live.scenario.namespace, live.name)
    rules = (live.kube.get(*kind) or {})["spec"]["rules"]
    for ref, share in zip(rules[0]["backendRefs"], (100 - weight, weight), strict=True):
        ref["weight"] = share
    live.kube.merge(*kind, {"spec": {"rules": rules}})


def reasons(live: LiveRollout) -> list[str]:
    return [reason for reason, _ in live.events()]


def mislabelled(live: LiveRollout) -> LoadClient:
    """A client of the same requests, every label wrong."""
    client = live.scenario.client(rate=40)
    client._bodies = [_wrong(body) for body in bodies(4)]
    return client


def _wrong(body: bytes) -> bytes:
    request = json.loads(body)
    labels = next(each for each in request["inputs"] if each["name"] == "LABEL")
    labels["data"] = [(label + 1) % 10 for label in labels["data"]]
    return json.dumps(request).encode()
