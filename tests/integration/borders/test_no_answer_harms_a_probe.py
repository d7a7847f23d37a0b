"""Whatever an address answers makes its version ready or not, in time; it is never shown and delays nobody else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.adapters.triton.readiness import IN_FLIGHT, OVERALL, TritonServer
from tests.allowed import PROBES
from tests.integration.borders.raw_server import Talk, dripping, response, saying, serving, silence


class Slices:
    """An Api whose one Service has these slices."""

    def __init__(self, *slices: Any, ports: Any = ({"port": 8000, "name": ""},)) -> None:
        self.slices, self.ports, self.read = list(slices), ports, 0

    async def get(self, _path: str) -> Any:
        self.read += 1
        return {"metadata": {"name": "s", "namespace": "a"}, "spec": {"ports": list(self.ports)}}

    async def request(self, *_: Any, **__: Any) -> Any:
        return {"items": self.slices}


class TwoServices(Slices):
    """The Service `good` has other slices."""

    def __init__(self, good: Any, *slices: Any) -> None:
        super().__init__(*slices)
        self.good = good

    async def request(self, *_: Any, query: Any, **__: Any) -> Any:
        return {"items": self.good if query["labelSelector"].endswith("=good") else self.slices}


def listed(*addresses: tuple[str, int]) -> list[dict[str, Any]]:
    return [
        {"addressType": "IPv4", "ports": [{"name": "", "port": port}], "endpoints": [{"addresses": [host]}]}
        for host, port in addresses
    ]


async def probed(slices: Any, timeout: float = 5) -> tuple[int, str]:  # noqa: ASYNC109 - of one probe
    server = TritonServer(Slices(*slices), timeout=timeout, probes=PROBES)  # type: ignore[arg-type]  # what a probe calls, no more
    return await asyncio.wait_for(server.probe("a", "s", 8000, "digits", "2"), 2 * OVERALL)


async def answered(talk: Talk, timeout: float = 5) -> str:  # noqa: ASYNC109 - of one probe
    async with serving(talk) as url:
        count, wrong = await probed(listed(("127.0.0.1", int(url.rpartition(":")[2]))), timeout)
    assert count == 1
    return wrong


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 \r\n", b"HTTP/1.1 200\r\n"])
async def test_a_version_is_ready_by_its_status_line_alone(said):
    assert await answered(saying(said)) == ""


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (response(b"hunter2", "503 hunter2"), "answered 503"),
        (response(b"", "302 F", b"Location: http://169.254.169.254/hunter2"), "answered 302"),
        (response(b"hunter2", "204 No Content"), "answered 204"),
        (b"SSH-2.0-hunter2\r\n", "did not answer in HTTP"),
        (b"-ERR hunter2\r\n", "did not answer in HTTP"),
        (b"X" * 60_000 + b"\r\n", "did not answer in HTTP"),
        (b"\x00" * 60_000, "did not answer in HTTP"),
        (b"HTTP/1.1 2000 OK\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 \xb2\xb20 OK\r\n", "did not answer in HTTP"),
        (b"", "did not answer in HTTP"),
    ],
)
async def test_what_else_is_answered_is_told_as_a_number_or_not_at_all(said, wrong):
    got = await answered(saying(said))
    assert wrong in got
    assert "hunter2" not in got


@pytest.mark.parametrize("talk", [silence, dripping(b"HTTP/1.1 ", b"2"), dripping(b"", b"H")])
async def test_an_answer_that_does_not_end_is_given_up(talk):
    async with asyncio.timeout(6):
        assert "did not answer within 0.3 s" in await answered(talk, timeout=0.3)


@given(said=st.binary(max_size=200))
@settings(deadline=None)
def test_no_bytes_make_it_raise(said):
    got = asyncio.run(answered(saying(said)))
    assert len(got) < 300
    assert got.isprintable()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ports", "port", "name", "endpoints", "addresses", "addressType"]), inner)
    ),
    max_leaves=12,
)


@given(slices=st.lists(ANYTHING, max_size=3))
@settings(deadline=None)
def test_no_object_of_other_people_makes_it_raise(slices):
    count, wrong = asyncio.run(probed(slices, timeout=0.01))
    assert count >= 0
    assert wrong


async def test_a_name_is_never_resolved():
    assert await probed(listed(("metadata.internal", 80))) == (0, "Service a/s has no addresses")


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"])
async def test_an_address_that_no_pod_has_is_not_asked(host):
    assert await probed(listed((host, 80))) == (0, "Service a/s has no addresses")


async def test_a_slice_that_is_none_hides_no_other():
    odd: list[Any] = [7, {"addressType": "IPv4", "ports": 7}, listed(("127.0.0.2", 1))[0] | {"addressType": "FQDN"}]
    odd.append({"addressType": "IPv4", "ports": [{"name": "", "port": 1}], "endpoints": [7, {"addresses": 7}]})
    async with serving(saying(response(b""))) as url:
        assert await probed([*odd, *listed(("127.0.0.1", int(url.rpartition(":")[2])))]) == (1, "")


async def test_a_service_is_read_again_only_after_a_while_or_when_something_is_wrong(monkeypatch):
    async with serving(saying(response(b""))) as good:
        api = Slices(*listed(("127.0.0.1", int(good.rpartition(":")[2]))))
        server = TritonServer(api, timeout=10, probes=PROBES)  # type: ignore[arg-type]  # as above
        for _ in range(3):
            assert await server.probe("a", "s", 8000, "digits", "2") == (1, "")
        assert api.read == 1
        slices, api.slices = api.slices, []
        assert await server.probe("a", "s", 8000, "digits", "2") == (0, "Service a/s has no addresses")
        api.slices = slices
        assert await server.probe("a", "s", 8000, "digits", "2") == (1, "")
        assert api.read == 2, "what was wrong may be the Service"
        monkeypatch.setattr("modelrollout.adapters.triton.readiness.SERVICE_HOLDS", 0.0)
        assert await server.probe("a", "s", 8000, "digits", "2") == (1, "")
        assert api.read == 3


async def test_addresses_that_hang_delay_no_other_version():
    every = "0.0.0.0"
    async with serving(silence, every) as hanging, serving(saying(response(b""))) as good:
        hung, healthy = (int(url.rpartition(":")[2]) for url in (hanging, good))
        many = listed(*((f"127.0.0.{n + 1}", hung) for n in range(8 * IN_FLIGHT)))
        api = TwoServices(listed(("127.0.0.1", healthy)), *many)
        server = TritonServer(api, timeout=OVERALL, probes=PROBES)  # type: ignore[arg-type]  # as above
        bad = [asyncio.create_task(server.probe("a", "s", 8000, "digits", str(n))) for n in range(10)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert await server.probe("a", "good", 8000, "digits", "2") == (1, "")
        assert time.monotonic() - began < OVERALL / 2  # those that hang keep their places for OVERALL
        for one in bad:
            one.cancel()
        await asyncio.gather(*bad, return_exceptions=True)
