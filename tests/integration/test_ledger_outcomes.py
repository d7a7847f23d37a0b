"""Whatever a server does over real HTTP, the ledger answers with samples or with a typed failure, and in time."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlparse

import pytest
import trustme

from modelrollout.adapters.prometheus import limits
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.promql import selector
from modelrollout.ports import LedgerFailure
from tests.integration.misbehaving import Behaviour, Misbehaving, answer, send


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    found = Misbehaving()
    yield found
    found.close()


def at(server: Misbehaving, timeout: float = 10.0, **changes: object) -> PrometheusServer:
    """A server that answers may be slow on a busy machine; only where it never does is `timeout` short."""
    return PrometheusServer(url=server.url, timeout=timeout, **changes)


TWICE = b'{"status":"success","isPartial":true,"data":{"result":[]},"isPartial":false}'
WARNED_TWICE = b'{"status":"success","warnings":["store x is down"],"data":{"result":[]},"warnings":[]}'
WARNED = b'{"warnings": [ "store x is down" ], "status": "success", "data": {"result": []}}'


async def test_samples_come_back_exactly_with_their_timestamps(server, ledger):
    metric = {"__name__": "c", "job": "j"}
    server.behave = answer([{"metric": metric, "values": [[1000.123, "5"], [1001.123, "7"]]}])
    (series,) = await ledger.range(at(server), 'c{a="b"}', 990.0, 1002.5)
    assert dict(series.labels) == metric
    assert series.times.tolist() == [1_000_123, 1_001_123]
    assert series.values.tolist() == [5.0, 7.0]
    query, _, path = server.requests[0]
    assert path == "/api/v1/query"
    assert query == {"query": ['c{a="b"}[12500ms]'], "time": ["1002.500"]}


@pytest.mark.parametrize("skew", [-30.0, 30.0])
async def test_a_server_whose_clock_disagrees_is_not_believed(server, skew):
    class Skewed:
        def now(self) -> float:
            return time.time() + skew

    server.behave = answer([])
    got = await PrometheusLedger(Skewed()).range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "ClockSkew"
    assert ("ahead of" if skew < 0 else "behind") in got.message
    assert "30 s" in got.message or "29 s" in got.message


async def test_grid_values_are_asked_for_at_exactly_the_tick_ends(server, ledger):
    await ledger.steps(at(server), "up", 1000.25, 1004.25, 2.0)
    query, _, path = server.requests[0]
    assert path == "/api/v1/query_range"
    assert (query["start"], query["step"]) == (["1000.250"], ["2.000"])
    assert float(query["end"][0]) == pytest.approx(1004.25, abs=0.001)
    assert (query["nocache"], query["latency_offset"]) == (["1"], ["1ms"])  # or VictoriaMetrics moves and repeats them


@pytest.mark.parametrize(
    ("sentence", "behaviour", "reason"),
    [
        ("an answer that is no JSON", send(200, b"<html>login</html>", kind="text/html"), "AnswerMalformed"),
        ("JSON that is not Prometheus's", send(200, b'{"hello": 1}'), "AnswerMalformed"),
        ("JSON that is a list", send(200, b"[]"), "AnswerMalformed"),
        ("a scalar instead of series", answer([1, "2"]), "AnswerMalformed"),
        ("an instant vector", answer([{"metric": {}, "value": [1, "1"]}]), "AnswerMalformed"),
        ("a query it cannot parse", send(400, b'{"errorType": "bad_data"}'), "PrometheusRejected"),
        ("a query that takes too much", send(422, b'{"errorType": "execution"}'), "PrometheusRejected"),
        ("credentials it does not take", send(401, b"no"), "PrometheusUnauthorized"),
        ("rights that are missing", send(403, b"no"), "PrometheusUnauthorized"),
        ("a server error", send(500, b"oops"), "PrometheusError"),
        ("a server that starts", send(503, b"starting"), "PrometheusError"),
        ("an incomplete answer", answer([], warnings=["store x is down"]), "PartialAnswer"),
        ("warnings before the data, with spaces", send(200, WARNED), "PartialAnswer"),
        ("a warning that is no list", answer([], warnings="store x is down"), "PartialAnswer"),
        ("storage nodes that did not answer", answer([], isPartial=True), "PartialAnswer"),
        ("a flag that is taken back", send(200, TWICE), "PartialAnswer"),
        ("a warning that is taken back", send(200, WARNED_TWICE), "PartialAnswer"),
        ("a flag that is no bool", answer([], isPartial="true"), "PartialAnswer"),
        ("a redirect", send(302, b""), "PrometheusError"),
    ],
)
async def test_failure_is_typed(server, ledger, sentence, behaviour, reason):
    server.behave = behaviour
    got = await ledger.range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure), sentence
    assert got.reason == reason
    assert got.message


async def test_a_limit_that_m3_reached_is_a_partial_answer(server, ledger):
    server.behave = send(200, b'{"status":"success","data":{"result":[]}}', headers={"M3-Results-Limited": "max"})
    got = await ledger.range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "PartialAnswer"


@pytest.mark.parametrize(
    "more", [{"infos": ["metric might be no counter"]}, {"warnings": ["PromQL info: x"]}, {"isPartial": False}]
)
async def test_what_harms_no_answer_is_no_failure(server, ledger, more):
    server.behave = answer([], **more)
    assert await ledger.range(at(server), "c", 0, 10) == ()


def each_name(values: dict[str, str], fails: str = "") -> Behaviour:
    """A store that takes no pattern of names: the series of the one that is named, and a 500 for `fails`."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        (query,) = parse_qs(urlparse(handler.path).query)["query"]
        name = re.match(r'\{__name__="(\w+)",job="a\|b"\}\[10000ms\]', query)
        if name is None:
            send(400, b'{"status": "error", "error": "regex matching on __name__"}')(handler)
        elif name[1] == fails:
            send(500, b"")(handler)
        else:
            found = [{"metric": {"__name__": name[1]}, "values": [[1, values[name[1]]]]}] if name[1] in values else []
            answer(found)(handler)

    return behave


async def test_a_store_without_patterns_of_names_is_asked_for_each(server, ledger):
    names = [f"name_{index}" for index in range(11)]
    values = {name: str(index) for index, name in enumerate(names) if index != 3}
    text = selector(names, ['job="a|b"'], "")
    server.behave = each_name(values)
    assert (await ledger.range(at(server), text, 0, 10)).reason == "PrometheusRejected"
    server.requests.clear()
    found = await ledger.range(at(server, exact_names=True), text, 0, 10)
    assert {dict(one.labels)["__name__"]: str(int(one.values[0])) for one in found} == values
    assert len(server.requests) == len(names)
    server.behave = each_name(values, fails="name_9")
    assert (await ledger.range(at(server, exact_names=True), text, 0, 10)).reason == "PrometheusError"


async def test_a_server_error_is_not_retried(server, ledger):
    server.behave = send(503, b"starting")
    await ledger.range(at(server), "c", 0, 10)
    assert len(server.requests) == 1


async def test_nan_and_infinity_are_handed_on_for_the_gates_to_refuse(server, ledger):
    server.behave = answer([{"metric": {}, "values": [[1, "NaN"], [2, "+Inf"]]}])
    (series,) = await ledger.range(at(server), "c", 0, 10)
    assert str(series.values.tolist()) == "[nan, inf]"


@pytest.mark.parametrize("value", ["abc", "", None, "1e5x"])
async def test_a_value_that_is_none_is_no_number_and_the_others_are_read(server, ledger, value):
    server.behave = answer([{"metric": {}, "values": [[1, "5"], [2, value], [3, "7"]]}])
    (series,) = await ledger.range(at(server), "c", 0, 10)
    assert str(series.values.tolist()) == "[5.0, nan, 7.0]"


async def test_no_series_is_an_answer_not_a_failure(server, ledger):
    assert await ledger.range(at(server), "c", 0, 10) == ()


async def test_a_port_without_listener_is_unreachable(ledger):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    got = await ledger.range(PrometheusServer(url=f"http://127.0.0.1:{port}"), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "PrometheusUnreachable"


async def test_a_connection_that_is_cut_is_unreachable(server, ledger):
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    server.behave = cut
    got = await ledger.range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "PrometheusUnreachable"


async def test_a_server_that_hangs_times_out(server, ledger):
    server.behave = lambda _: server.let_go.wait(20)
    got = await asyncio.wait_for(ledger.range(at(server, 0.5), "c", 0, 10), 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "PrometheusTimeout"


async def test_a_server_that_drips_is_given_up_after_its_timeout_in_all(server, ledger):
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while not server.let_go.wait(0.1):
            try:
                handler.wfile.write(b"1\r\n \r\n")
            except OSError:
                return

    server.behave = drip
    got = await asyncio.wait_for(ledger.range(at(server, 0.5), "c", 0, 10), 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "PrometheusTimeout"
    # said by the thread itself: it is free again, not only its caller
    assert got.message == "no complete answer within 0.5 s"


async def test_an_endless_answer_is_cut_off(server, ledger, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000)
    server.behave = send(200, b" " * 200_000)
    got = await ledger.range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "AnswerTooLarge"


async def test_too_many_series_are_refused_with_their_number(server, ledger, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SERIES", 3)
    server.behave = answer([{"metric": {"i": str(i)}, "values": [[1, "1"]]} for i in range(4)])
    got = await ledger.range(at(server), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "TooManySeries"
    assert got.message.startswith("4 series, more than 3")


async def test_a_hanging_server_does_not_delay_another(server, ledger):
    server.behave = lambda _: server.let_go.wait(60)
    other = Misbehaving()
    hanging = [asyncio.create_task(ledger.range(at(server, 60.0), "c", 0, 10)) for _ in range(20)]
    try:
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(ledger.range(at(other), "c", 0, 10), 20) == ()
        assert not any(one.done() for one in hanging)
    finally:
        other.close()
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_the_bearer_token_is_read_for_every_request(server, ledger, tmp_path):
    token = tmp_path / "token"
    for text in ("one", "two"):
        token.write_text(text + "\n")
        await ledger.range(at(server, bearer_token_file=str(token)), "c", 0, 10)
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer one", "Bearer two"]


async def test_a_token_that_cannot_be_read_is_said_before_anything_is_sent(server, ledger, tmp_path):
    got = await ledger.range(at(server, bearer_token_file=str(tmp_path / "none")), "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    assert got.reason == "CredentialsUnreadable"
    assert server.requests == []


async def test_the_environment_cannot_redirect_or_unlock_a_query(server, ledger, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert await ledger.range(at(server), "c", 0, 10) == ()
    assert "Authorization" not in server.requests[0][1]


async def test_a_path_in_the_servers_address_is_kept(server, ledger):
    prefixed = PrometheusServer(url=server.url + "/prometheus/")
    await ledger.range(prefixed, "c", 0, 10)
    assert server.requests[0][2] == "/prometheus/api/v1/query"


async def test_a_certificate_is_checked_against_the_ca_file(ledger, tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    found = Misbehaving()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    found.server.socket = context.wrap_socket(found.server.socket, server_side=True)
    url = found.url.replace("http:", "https:")
    try:
        for number, (ca, expected) in enumerate(((authority, ()), (stranger, "PrometheusUnreachable"))):
            path = tmp_path / f"{number}.pem"
            ca.cert_pem.write_to_path(str(path))
            got = await ledger.range(PrometheusServer(url=url, ca_file=str(path), timeout=10.0), "c", 0, 10)
            assert (got.reason if isinstance(got, LedgerFailure) else got) == expected
    finally:
        found.close()
