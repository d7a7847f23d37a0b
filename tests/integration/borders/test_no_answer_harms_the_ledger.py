"""Whatever bytes come, and however slowly: a typed failure in time, no thread for ever, no memory without bound."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrollout.adapters.prometheus import ledger as module
from modelrollout.adapters.prometheus import limits
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import LedgerFailure
from tests.integration.borders.raw_server import CHUNKED, dripping, response, saying, serving, silence

EMPTY = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
NAMES = ("status", "data", "result", "metric", "values", "value", "warnings", "isPartial", "error", "histograms")
MIB = 2.0**20


def threads() -> int:
    return sum(one.name.startswith("ledger") for one in threading.enumerate())


async def asked(ledger: PrometheusLedger, url: str, **changes: Any) -> Any:
    """A server that answers may be slow on a busy machine; only where it never does is `timeout` short."""
    server = PrometheusServer(**{"url": url, "timeout": 10.0, **changes})
    return await asyncio.wait_for(ledger.range(server, "up", 0, 10), 20)


@pytest.mark.parametrize(
    ("what", "talk", "scheme"),
    [
        ("nothing at all", silence, "http"),
        ("no TLS handshake", silence, "https"),
        ("a TLS record that never ends", dripping(b"\x16\x03\x03\x40\x00", b"a"), "https"),
        ("a status line that never ends", dripping(b"HTTP/1.1 200 ", b"a"), "http"),
        ("a header that never ends", dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"), "http"),
        ("headers without end", dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "http"),
        ("interim answers without end", dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "http"),
        ("a body that never ends", dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"{"), "http"),
        ("a chunk that never begins", dripping(CHUNKED, b"0"), "http"),
        ("trailers without end", dripping(CHUNKED + b"0\r\n", b"x: y\r\n"), "http"),
    ],
)  # fmt: skip
async def test_an_exchange_ends_in_time_and_its_thread_with_it(ledger, what, talk, scheme):
    async with serving(talk) as url:
        got = await asked(ledger, url.replace("http", scheme, 1), timeout=0.5)
        assert isinstance(got, LedgerFailure), what
        assert got.reason in {"PrometheusTimeout", "PrometheusUnreachable", "AnswerMalformed"}
        async with asyncio.timeout(10):
            while threads():  # noqa: ASYNC110 - nothing tells when a thread has ended
                await asyncio.sleep(0.02)


async def test_a_thread_that_hangs_keeps_its_place_and_no_other_server_waits(ledger, monkeypatch):
    go_on, real = threading.Event(), socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "hangs.test":
            go_on.wait(60)
            raise OSError("no such host")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        for _ in range(3):
            hung = [asked(ledger, "http://hangs.test", timeout=0.1) for _ in range(module.OUR_MOST + 2)]
            assert {one.reason for one in await asyncio.gather(*hung)} == {"PrometheusTimeout"}
            assert threads() == module.OUR_MOST
        async with serving(saying(response(EMPTY))) as url:
            assert await asked(ledger, url) == ()
    finally:
        go_on.set()


async def test_slow_queries_of_users_take_no_place_from_the_operators_own(ledger):
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"query_range" in await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(60)
        writer.write(response(EMPTY))
        await writer.drain()

    async with serving(slow) as url:
        server = PrometheusServer(url=url, timeout=60.0)
        users = [asyncio.create_task(ledger.steps(server, f"slow{n}", 0, 1, 1)) for n in range(24)]
        await asyncio.sleep(0.05)
        quick = asyncio.wait_for(ledger.range(server, "quick", 0, 1), 20)
        assert await quick == ()  # the users' queries keep their places for a minute
        for one in users:
            one.cancel()
        await asyncio.gather(*users, return_exceptions=True)


async def test_a_redirect_is_not_followed_whatever_its_body(ledger):
    visited = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visited.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response(b'{"Token": "hunter2"}', "403 Forbidden"))

    async with serving(elsewhere) as target:
        where = f"Location: {target}/latest/meta-data".encode()
        for status in ("301 M", "302 F", "303 S", "307 T", "308 P"):
            async with serving(saying(response(b"x" * 10_000_000, status, where))) as url:
                got = await asked(ledger, url)
            assert (got.reason, "not followed" in got.message) == ("PrometheusError", True)
    assert visited == []


async def test_a_body_that_grows_when_it_is_unpacked_is_met_by_its_size(ledger):
    bomb = gzip.compress(b" " * (200 * 2**20), compresslevel=9)
    async with serving(saying(response(bomb, "200 OK", b"Content-Encoding: gzip"))) as url:
        tracemalloc.start()
        got = await asked(ledger, url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert got.reason == "AnswerTooLarge"
    assert peak < 3 * limits.MAX_BYTES


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"gzip, gzip", b"zstd"])
async def test_what_is_packed_in_another_way_is_refused(ledger, encoding):
    async with serving(saying(response(EMPTY, "200 OK", b"Content-Encoding: " + encoding))) as url:
        assert (await asked(ledger, url)).reason == "AnswerMalformed"


async def test_a_packed_answer_is_read(ledger):
    found = [{"metric": {"a": letter * 50_000}, "values": [[1, "2"]]} for letter in "bc"]
    said = json.dumps({"data": {"result": found}}).encode()
    async with serving(saying(response(gzip.compress(said), "200 OK", b"Content-Encoding: gzip"))) as url:
        series = await asked(ledger, url)
    assert [one.values.tolist() for one in series] == [[2.0], [2.0]]


@pytest.mark.parametrize("text", ["user\nTOP-SECRET\n", "TOP-SECRET\u2026\n", "TOP-SECRET\x00", "TOP SECRET"])
async def test_a_token_that_no_header_can_hold_is_not_shown(ledger, tmp_path, text):
    token = tmp_path / "token"
    token.write_text(text)
    got = await asked(ledger, "http://127.0.0.1:1", bearer_token_file=str(token))
    assert got.reason == "CredentialsUnreadable"
    assert "SECRET" not in got.message


@pytest.mark.parametrize(
    "said",
    [
        b"-ERR secret=hunter2\r\n",
        b"HTTP/1.1 200 OK\r\nbad header hunter2\x01\r\n\r\n",
        response(b'{"secret": "hunter2"}', "500 hunter2"),
        response(b"hunter2", "401 Unauthorized", b"WWW-Authenticate: hunter2"),
        b"HTTP/1.1 hunter2 OK\r\n\r\n",
    ],
)
async def test_what_is_not_prometheus_is_not_shown(ledger, said):
    async with serving(saying(said)) as url:
        got = await asked(ledger, url)
    assert isinstance(got, LedgerFailure)
    assert "hunter2" not in got.message


async def test_prometheus_own_sentence_is_shown_on_one_line(ledger):
    body = json.dumps({"status": "error", "error": "parse error\n\x1b[31mFORGED " + "x" * 9999}).encode()
    async with serving(saying(response(body, "400 Bad Request"))) as url:
        got = await asked(ledger, url)
    assert got.message.isprintable()
    assert "parse error" in got.message
    assert len(got.message) < 500


def matrix(*entries: str) -> bytes:
    return ('{"status":"success","data":{"resultType":"matrix","result":[' + ",".join(entries) + "]}}").encode()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"data":{"result":' + b"[" * 100_000,
        b'{"data":' * 10_000,
        b"9" * 100_000,
        b'{"data":{"result":[' + b"9" * 100_000 + b"]}}",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        matrix('{"metric":{"a":1},"values":[[1,"1"]]}'),
        matrix('{"metric":{"a":[1]},"values":[[1,"1"]]}'),
        matrix('{"metric":[],"values":[[1,"1"]]}'),
        matrix('{"metric":{},"values":[[1]]}'),
        matrix('{"metric":{},"values":[null]}'),
        matrix('{"metric":{},"values":[{"a":1}]}'),
        matrix('{"metric":{},"values":[["a","1"]]}'),
        matrix('{"metric":{},"values":{"a":1}}'),
        matrix('{"metric":{}}'),
        matrix('{"values":[[1,"1"]]}'),
        matrix("null"),
        matrix('"x"'),
    ],
)
async def test_json_that_is_not_prometheus_is_a_failure(ledger, body):
    async with serving(saying(response(body))) as url:
        got = await asked(ledger, url)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "AnswerMalformed"


async def test_samples_from_no_time_that_was_asked_for_are_left_out(ledger):
    odd = ["1e400", "-1e400", "1e300", "1e18", "NaN", "Infinity", '"nan"', '"inf"', "-5", "11", "99999999999999999999"]
    values = ",".join(f'[{at},"1"]' for at in [*odd, "7"])
    async with serving(saying(response(matrix(f'{{"metric":{{"a":"b"}},"values":[{values}]}}')))) as url:
        (series,) = await asked(ledger, url)
    assert series.times.tolist() == [7000]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(body=st.binary(max_size=300) | JSON.map(lambda found: json.dumps(found).encode()), head=st.binary(max_size=100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_no_bytes_make_it_raise(body, head):
    async def once() -> None:
        for said in (response(body), response(body, "400 B"), b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, head):
            ledger = PrometheusLedger()
            async with serving(saying(said)) as url:
                got = await asked(ledger, url)
            ledger.close()
            assert isinstance(got, tuple | LedgerFailure)
            if isinstance(got, LedgerFailure):
                assert got.message
                assert len(got.message) < 600
                assert got.message.isprintable()

    asyncio.run(once())
