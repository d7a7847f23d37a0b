"""Readiness is asked under the name that the server knows, and a broken spec does not change the question."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.api.spec import Spec
from modelrollout.runtime.polling_plan import polling_plan
from tests.allowed import PROBES
from tests.unit.borders.probes.test_probes_repeat_no_answer import OneService
from tests.unit.rollout.world import World, manifest
from tests.unit.runtime.in_memory import made

ARM = {"service": "digits-v{version}", "port": 8000, "arm": {"label": "pod"}}


@pytest.mark.parametrize(
    ("version", "path"),
    [("2", "/v2/models/digits/versions/2/ready"), (None, "/v2/models/digits/ready")],
)
async def test_the_path_has_the_version_or_none(version: str | None, path: str):
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    prober = TritonServer(cast("Api", OneService(server.sockets[0].getsockname()[1])), timeout=10.0, probes=PROBES)
    assert await prober.probe("a", "s", 8000, "digits", version) == (1, "")
    server.close()
    assert asked == [f"GET {path} HTTP/1.1\r\n".encode()]


def asked_of(watch: Any, spec: Spec | None, world: World) -> dict[str, str | None]:
    plan = polling_plan(watch, spec, world.parsed, world.route)
    watch.look_at(plan)
    return {target.version: target.asked for target in plan.targets}


@pytest.mark.parametrize(("serving", "name"), [(ARM, None), (manifest()["serving"], "2")])
def test_an_invalid_spec_does_not_change_the_question(serving: dict[str, Any], name: str | None):
    world = World(spec=manifest(serving=serving)).stepping()
    spec = Spec.model_validate(world.spec)
    _, watch, _, _ = made()
    assert asked_of(watch, spec, world)["2"] == name
    assert asked_of(watch, None, world) == {"2": name}


def test_a_new_process_under_an_invalid_spec_asks_without_a_version():
    """Too kind for as long as the spec is broken; the other way would take a good candidate's traffic."""
    world = World(spec=manifest(serving=ARM)).stepping()
    _, watch, _, _ = made()
    assert asked_of(watch, None, world) == {"2": None}
