"""SIGTERM ends the process within five seconds, and the Lease is handed over where the API server takes that."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.borders.raw_server import Talk, response, serving
from tests.integration.borders.test_no_answer_harms_a_call import kubeconfig

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
