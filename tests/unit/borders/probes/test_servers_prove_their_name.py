"""A model server with TLS is asked once its certificate proves its name: by probes, and by the prober in both ways."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import trustme
from tritonclient.grpc import service_pb2, service_pb2_grpc

from modelrollout.adapters.triton.exchange import status_at
from modelrollout.adapters.triton.tls import Secured, TlsError, secured
from modelrollout.api.config import Probes
from modelrollout.api.config.allowed import ServerTls
from modelrollout.prober.asking.ask import NoAnswerError, Question
from modelrollout.prober.asking.grpc import GrpcAsker
from modelrollout.prober.asking.http import HttpAsker
from tests.unit.borders.probes.test_probes_repeat_no_answer import probed

NAME = "digits-v2.vision.svc"
BODY = b'{"inputs": [], "outputs": [{"name": "CLASS"}]}'
LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
WRONG = {
    "another name": f"its certificate is not for {NAME}; issue it for that name, or set serverName in probes.tls",
    "expired": "its certificate has expired; renew it at the server",
    "another authority": "its certificate is signed by nobody whom probes.tls believes (caFile ",
    "self-signed": "its certificate is signed by nobody whom probes.tls believes (caFile ",
}


@dataclass
class Authority:
    """Made once: what is believed, what is not, and the certificates of a server."""

    folder: Path
    believed: trustme.CA = field(default_factory=trustme.CA)
    other: trustme.CA = field(default_factory=trustme.CA)

    @property
    def file(self) -> str:
        path = self.folder / "ca.pem"
        self.believed.cert_pem.write_to_path(str(path))
        return str(path)

    def leaf(self, case: str) -> trustme.LeafCert:
        if case == "expired":
            return self.believed.issue_cert(NAME, not_before=LONG_AGO, not_after=LONG_AGO.replace(year=2002))
        if case in ("another authority", "self-signed"):
            return self.other.issue_cert(NAME)
        return self.believed.issue_cert("speech.svc" if case == "another name" else NAME)

    def proof(self, **changes: Any) -> Secured:
        tls = ServerTls.model_validate({"ports": [8443], "caFile": self.file} | changes)
        return secured(tls, "vision", "digits-v2")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def https(leaf: trustme.LeafCert | None) -> AsyncIterator[str]:
    """A server's address; without a certificate it speaks no TLS."""
    context = None
    if leaf is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        leaf.configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (reader.read(1) if leaf is None else reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
            writer.write(head.encode() + BODY)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


class Model(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers 7, over real gRPC with TLS."""

    def __init__(self, leaf: trustme.LeafCert) -> None:
        self._leaf = leaf

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's
        outputs = [{"name": "CLASS", "datatype": "INT32", "shape": [1]}]
        raw = np.array([7], np.int32).tobytes()
        return service_pb2.ModelInferResponse(model_name="digits", outputs=outputs, raw_output_contents=[raw])

    async def __aenter__(self) -> str:
        chain = b"".join(blob.bytes() for blob in self._leaf.cert_chain_pems)
        own = grpc.ssl_server_credentials([(self._leaf.private_key_pem.bytes(), chain)])
        self._server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        port = self._server.add_secure_port("127.0.0.1:0", own)
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)


def question(address: str, proof: Secured | None) -> Question:
    return Question(address, "digits", "2", {}, {}, proof)


async def facts_at(address: str, proof: Secured | None) -> Any:
    asker = HttpAsker()
    try:
        return await asker.facts(question(address, proof))
    finally:
        await asker.close()


async def said_by_grpc(address: str, proof: Secured | None) -> Any:
    asker = GrpcAsker()
    try:
        return await asker.ask(question(address, proof))
    finally:
        await asker.close()


async def test_a_server_that_proves_its_name_is_asked(authority: Authority):
    async with https(authority.leaf("right")) as address:
        assert await status_at(address, "/ready", authority.proof()) == 200
        assert (await facts_at(address, authority.proof())).outputs == ("CLASS",)
    async with Model(authority.leaf("right")) as address:
        assert (await said_by_grpc(address, authority.proof()))["CLASS"].tolist() == [7]


@pytest.mark.parametrize("case", WRONG)
async def test_one_that_cannot_is_not_asked_and_the_reason_is_said(authority: Authority, case: str):
    async with https(authority.leaf(case)) as address:
        with pytest.raises(TlsError) as by_a_probe:
            await status_at(address, "/ready", authority.proof())
        with pytest.raises(NoAnswerError) as by_the_prober:
            await facts_at(address, authority.proof())
    async with Model(authority.leaf(case)) as address:
        with pytest.raises(NoAnswerError) as over_grpc:
            await said_by_grpc(address, authority.proof())
    for found in (by_a_probe, by_the_prober, over_grpc):
        assert str(found.value).startswith(WRONG[case])


async def test_nobody_is_believed_without_an_authority_of_the_configuration_or_the_system(authority: Authority):
    proof = secured(ServerTls(ports=[8443]), "vision", "digits-v2")
    async with https(authority.leaf("right")) as address:
        with pytest.raises(TlsError, match=r"believes \(the system, for there is no caFile\)"):
            await status_at(address, "/ready", proof)


async def test_who_speaks_none_where_it_is_expected_is_told(authority: Authority):
    async with https(None) as address:
        with pytest.raises(TlsError, match=r"it speaks no TLS that can be read \(\w+\): see probes\.tls"):
            await status_at(address, "/ready", authority.proof())


async def test_a_version_behind_such_a_server_is_ready_by_the_configuration_alone(authority: Authority):
    allowed = {"allowed": [{"cidr": "127.0.0.0/8"}]}
    tls = {"ports": [8000], "caFile": authority.file, "serverName": NAME}
    async with https(authority.leaf("right")) as address:
        port = int(address.rpartition(":")[2])
        assert await probed(port, Probes.model_validate(allowed | {"tls": [tls]})) == (1, "")
        count, wrong = await probed(port, Probes.model_validate(allowed | {"tls": [tls | {"serverName": "other"}]}))
        assert count == 1
        assert wrong.endswith(
            f"{address}: its certificate is not for other; {WRONG['another name'].partition('; ')[2]}"
        )
        assert "did not answer in HTTP" in (await probed(port, Probes.model_validate(allowed)))[1]


def test_a_bundle_that_is_renewed_is_read_again_and_a_bad_one_is_said(authority: Authority, tmp_path: Path):
    file = tmp_path / "ca.pem"
    authority.believed.cert_pem.write_to_path(str(file))
    before = authority.proof(caFile=str(file)).context
    assert authority.proof(caFile=str(file)).context is before
    authority.other.cert_pem.write_to_path(str(tmp_path / "new.pem"))
    (tmp_path / "new.pem").replace(file)
    assert authority.proof(caFile=str(file)).context is not before
    file.write_text("no certificate")
    with pytest.raises(TlsError, match=r"ca\.pem of probes\.tls holds no certificate that can be read"):
        authority.proof(caFile=str(file))
    with pytest.raises(TlsError, match=r"caFile /nowhere of probes\.tls cannot be read: No such file"):
        authority.proof(caFile="/nowhere")


def test_the_first_entry_that_fits_a_services_port_says_how():
    probes = Probes.model_validate(
        {"tls": [{"ports": [8443], "namespaces": ["vision-*"], "serverName": "a"}, {"ports": [8443, 9443]}]}
    )
    assert [one and one.server_name for one in (probes.tls_of("vision-eu", 8443), probes.tls_of("x", 8000))] == [
        "a",
        None,
    ]
    other = probes.tls_of("speech", 9443)
    assert other is not None
    assert other.name_of("speech", "words-v1") == "words-v1.speech.svc"
