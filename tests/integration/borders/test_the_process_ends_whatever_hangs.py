"""SIGTERM ends the process within five seconds, and the Lease is handed over where the API server takes that."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.allowed import ALLOWED
from tests.integration.borders.raw_server import Talk, response, serving
from tests.integration.borders.stored_cluster import ROLLOUTS, StoredCluster, in_preflight
from tests.integration.borders.test_no_answer_harms_a_call import kubeconfig
from tests.unit.borders.cluster import at_25_percent

OPERATOR = ("-m", "modelrollout")
HUNG_THREAD = """
import asyncio, sys, time
from modelrollout import __main__
from modelrollout.runtime import run
build = run.build
def hung(*args, **named):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    return build(*args, **named)
run.build = hung
sys.exit(__main__.main(sys.argv[1:]))
"""
"""As a resolver thread does that waits for a name server."""
BLOCKED_LOOP = """
import signal, sys, time
from modelrollout import __main__
from modelrollout.runtime import service
async def hung(_):
    time.sleep(60)
service.Service.stop = hung
sys.exit(__main__.main(sys.argv[1:]))
"""
"""What is done last never gives the event loop back."""


class Cluster:
    """Takes the Lease and lists no resource; everything else hangs, and with `silent` everything."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.holders: list[str] = []
        self.asked = asyncio.Event()
        """Something that hangs was asked for: the operator is up."""

    @property
    def talk(self) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (x.split(":")[1] for x in head.split("\r\n") if x.lower().startswith("content-length")), "0"
                )
                body = await reader.readexactly(int(length))
                method, path = head.split(" ")[:2]
                answer = None if self.silent else self.answer(method, path, body)
                if answer is None:
                    self.asked.set()
                    await asyncio.sleep(60)
                else:
                    writer.write(answer)
                    await writer.drain()

        return talk

    def answer(self, method: str, path: str, body: bytes) -> bytes | None:
        if "/leases" in path:
            return self.lease(method, body)
        if "/modelrollouts" in path and "watch" not in path:
            return response(b'{"metadata": {"resourceVersion": "1"}, "items": []}')
        return None

    def lease(self, method: str, body: bytes) -> bytes:
        if method == "GET":
            return response(b'{"reason": "NotFound", "details": {"name": "x"}}', "404 Not Found")
        found: dict[str, Any] = json.loads(body)
        self.holders.append(found["spec"]["holderIdentity"])
        meta = {"name": "x", "namespace": "d", "uid": "u", "resourceVersion": str(len(self.holders))}
        found["metadata"] = meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}
        return response(json.dumps(found).encode())


async def stopped(folder: Path, cluster: Cluster, *program: str) -> tuple[int, float, str]:
    """(exit status, seconds from SIGTERM to the end, stderr) of an operator on that cluster."""
    config = folder / "config.yaml"
    config.write_text("prometheus: [{url: 'http://127.0.0.1:9'}]\n")
    async with serving(cluster.talk) as url:
        arguments = ["--config", str(config), "--kubeconfig", kubeconfig(folder, url), "--health-port", "0"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, *arguments, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            up, ended = asyncio.ensure_future(cluster.asked.wait()), asyncio.ensure_future(process.wait())
            await asyncio.wait({up, ended}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            assert up.done(), f"not up: exit status {process.returncode}"
            await asyncio.sleep(0.5)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = await asyncio.wait_for(process.communicate(), 45)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode is not None
    return process.returncode, time.monotonic() - began, said.decode()


@pytest.mark.parametrize(
    "program", [("-m", "modelrollout"), ("-c", HUNG_THREAD)], ids=["watches hang", "a thread hangs"]
)
async def test_the_lease_is_handed_over_and_the_process_ends(tmp_path, program):
    cluster = Cluster()
    status, seconds, said = await stopped(tmp_path, cluster, *program)
    print(f"ended {seconds:.1f} s after SIGTERM")
    assert status == 0, said
    assert seconds < 20, "what hangs does so for a minute, and the last resort comes after 4.5 seconds"
    assert cluster.holders[-1] == ""


@pytest.mark.parametrize("program", [OPERATOR, ("-c", BLOCKED_LOOP)], ids=["all hangs", "the loop hangs"])
async def test_the_process_ends_where_nothing_can_be_handed_over(tmp_path, program):
    cluster = Cluster(silent=program == OPERATOR)
    status, seconds, said = await stopped(tmp_path, cluster, *program)
    print(f"ended {seconds:.1f} s after SIGTERM")
    assert status == 0, said
    assert seconds < 20, "what hangs does so for a minute, and the last resort comes after 4.5 seconds"


PROBER = ("-c", "import sys; from modelrollout.prober.main import main; sys.exit(main())")


def settings(folder: Path, hung: str) -> Path:
    """A configuration in which the store and the sink are at `hung`, where nobody answers."""
    (folder / "url").write_text(f"{hung}/x")
    (folder / "key").write_text(base64.b64encode(b"k" * 32).decode())
    webhook = {"urlFile": str(folder / "url"), "keyFile": str(folder / "key")}
    found: dict[str, Any] = {
        "resync": "1s",
        "prometheus": [{"url": hung}],
        "gateways": [one.model_dump(mode="json", by_alias=True) for one in ALLOWED],
        "notifications": {"sinks": [{"name": "hook", "webhook": webhook}]},
        "probes": {"allowed": [{"cidr": "127.0.0.0/8"}]},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(found))
    return path


async def seconds_to_the_end(
    folder: Path, cluster: StoredCluster, *program: str, stderr: int, asked: tuple[asyncio.Event, ...], log: int = -1
) -> float:
    """From SIGTERM, which comes once all that is `asked` for has been, or somebody who is not of the cluster was.

    `log`: a pipe that is full by then.
    """
    elsewhere = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        elsewhere.set()
        await asyncio.sleep(60)

    async with serving(hang) as hung, serving(cluster.talk) as url:
        host, _, port = hung.removeprefix("http://").partition(":")
        cluster.behind = host, int(port)
        arguments = ["--config", str(settings(folder, hung)), "--kubeconfig", kubeconfig(folder, url)]
        of_prober = ["--reports-namespace", "d", "--reports", "reports", "--metrics-port", "0"]
        arguments += of_prober if program == PROBER else ["--health-port", "0"]
        process = await asyncio.create_subprocess_exec(sys.executable, *program, *arguments, stderr=stderr)
        try:
            for one in asked or (elsewhere,):
                await asyncio.wait_for(one.wait(), 60)
            if log >= 0:
                fill(log)
                await asyncio.sleep(2)  # by then it waits to write a line
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 45)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return time.monotonic() - began


def _writes(method: str, target: str) -> bool:
    return method != "GET" and "/leases" not in target


def _lost() -> dict[str, Any]:
    """A status that cannot be read, of which an Event tells."""
    return dict(at_25_percent().api.objects[ROLLOUTS]) | {"status": {"phase": 5}}


WHILE: dict[str, tuple[tuple[str, ...], Callable[[str, str], bool] | None, Callable[[], dict[str, Any]] | None]] = {
    "the store and a sink do not answer": (OPERATOR, None, _lost),
    "the API server takes no write": (OPERATOR, _writes, None),
    "the prober's report is not taken and no model server answers": (PROBER, _writes, in_preflight),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WHILE)
async def test_it_ends_while(what: str, tmp_path: Path):
    program, hangs, resource = WHILE[what]
    cluster = StoredCluster() if hangs is None else StoredCluster(hangs)
    if resource is not None:
        cluster.objects[ROLLOUTS] = resource()
    asked = () if hangs is None else (cluster.hung,)
    ended = await seconds_to_the_end(tmp_path, cluster, *program, stderr=asyncio.subprocess.DEVNULL, asked=asked)
    print(f"{what}: ended {ended:.1f} s after SIGTERM")
    assert ended < 20, "what hangs does so for a minute, and the last resort comes after 4.5 seconds"


def fill(pipe: int) -> None:
    """What is written next waits until somebody reads, which nobody does."""
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"." * 512)
    os.set_blocking(pipe, True)


@pytest.mark.slow
async def test_it_ends_while_nobody_reads_its_log(tmp_path: Path):
    there, here = os.pipe()
    try:
        ended = await seconds_to_the_end(
            tmp_path, StoredCluster(), *OPERATOR, "--verbose", stderr=here, asked=(), log=here
        )
    finally:
        os.close(here)
        os.close(there)
    print(f"ended {ended:.1f} s after SIGTERM")
    assert ended < 20, "what hangs does so for ever, and the last resort comes after 4.5 seconds"
