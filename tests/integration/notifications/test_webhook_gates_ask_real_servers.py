"""A Webhook gate's question arrives signed at a real server; of hostile answers none is a verdict, and none lasts."""

from __future__ import annotations

import asyncio
import base64
import gzip
import runpy
import threading
import time
from collections.abc import Awaitable, Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks.webhooks import Webhook as Verifier

from modelrollout.adapters.webhooks.asking import MOST_BYTES, WebhookJudge
from modelrollout.api.borders.cleaning import LONGEST_SAID
from modelrollout.api.config import GateWebhook
from modelrollout.ports import Question, Said, Unclear, Undelivered
from modelrollout.runtime.evaluation.webhook_answers import WebhookAnswers
from modelrollout.runtime.metrics import MemoryMetrics
from tests import ROOT
from tests.integration.notifications.far_side import FarSide, answer, drip, endless, hang, verdict
from tests.unit.analysis.recorded import request_of, spec_of
from tests.unit.webhooks.asked import GATE, config, evaluation, hook

KEY = base64.b64encode(b"k" * 32).decode()
DATA = {"namespace": "vision", "name": "digits", "gate": "load", "candidate": "2"}
Asks = Callable[..., Awaitable[Said]]


@pytest.fixture
def webhook(tmp_path: Path) -> Callable[..., GateWebhook]:
    def made(url: str, **changes: Any) -> GateWebhook:
        (tmp_path / "url").write_text(url)
        (tmp_path / "key").write_text(f"whsec_{KEY}")
        (tmp_path / "token").write_text("T0KEN-OF-OURS")
        files = {name: str(tmp_path / name[:-4].lower()) for name in ("urlFile", "keyFile")}
        return hook(**files, bearerTokenFile=str(tmp_path / "token"), **{"timeout": "2s", **changes})

    return made


@pytest.fixture
def ask(webhook: Callable[..., GateWebhook]) -> Asks:
    async def asked(url: str, **changes: Any) -> Said:
        judge = WebhookJudge()
        try:
            return await judge.ask(webhook(url, **changes), Question("0123abcd", time.time(), DATA))
        finally:
            await judge.close()

    return asked


@pytest.mark.parametrize("word", ["PASS", "FAIL", "CONTINUE"])
async def test_a_question_is_a_signed_cloud_event_and_its_answer_comes_back(ask: Asks, word: Any):
    async with FarSide([verdict(word)]) as far:
        assert await ask(far.url) == Said(word, "by the test")
    event = from_http_event(HTTPMessage(far.headers, far.bodies[0]))
    assert event.get_type() == "dev.modelrollout.gate.question"
    assert event.get_source() == "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrollouts/digits"
    assert event.get_data() == DATA
    assert Verifier(KEY).verify(far.bodies[0], far.headers)["id"] == event.get_id() == "0123abcd"
    assert far.headers["authorization"] == "Bearer T0KEN-OF-OURS"
    assert far.headers["accept-encoding"] == "identity"


RIGHT = b'{"verdict": "PASS", "message": "m"}'
NO_VERDICT = "no verdict PASS, FAIL or CONTINUE"
HOSTILE: dict[str, tuple[Any, str]] = {
    "hangs": (hang, "took longer than 0.5 s"),
    "drips": (drip, "took longer than 0.5 s"),
    "never ends": (endless, "larger than 16 KiB"),
    "too large": (answer(b" " * MOST_BYTES + RIGHT), "larger than 16 KiB"),
    "shorter than it says": (answer(RIGHT, length=500), "no answer"),
    "no HTTP": (answer(b"", "abc"), "no answer"),
    "a huge header": (answer(RIGHT, "200 OK", f"X: {'x' * 100_000}"), "no answer"),
    "another place": (answer(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:1/"), "answered 307"),
    "in trouble": (answer(RIGHT, "500 Sorry"), "answered 500"),
    "refused": (answer(RIGHT, "403 Forbidden"), "answered 403"),
    "compressed": (answer(gzip.compress(RIGHT), "200 OK", "Content-Encoding: gzip"), "is compressed"),
    "nothing": (answer(b""), "is no JSON"),
    "a page": (answer(b"<html>PASS</html>", "200 OK", "Content-Type: text/html"), "is no JSON"),
    "nested": (answer(b"[" * MOST_BYTES), "is no JSON"),
    "nested objects": (answer(b'{"verdict":' * 1000), "is no JSON"),
    "cut off": (answer(RIGHT[:-1]), "is no JSON"),
    "half a character": (answer(b'{"verdict": "PASS", "message": "\\ud800"}'), "is no JSON"),
    "no text": (answer(b'{"verdict": "PASS", "message": "\xff\xfe"}'), "is no JSON"),
    "a list": (answer(b'["PASS"]'), NO_VERDICT),
    "a word": (answer(b'"PASS"'), NO_VERDICT),
    "a number that is none": (answer(b'{"verdict": NaN}'), NO_VERDICT),
    "another word": (answer(b'{"verdict": "OK"}'), NO_VERDICT),
    "in lower case": (answer(b'{"verdict": "pass"}'), NO_VERDICT),
    "true": (answer(b'{"verdict": true}'), NO_VERDICT),
    "several": (answer(b'{"verdict": ["PASS"]}'), NO_VERDICT),
    "none": (answer(b'{"message": "PASS"}'), NO_VERDICT),
    "a message that is none": (answer(b'{"verdict": "PASS", "message": {"a": 1}}'), NO_VERDICT),
}


@pytest.mark.alike(4)
@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_answer_is_no_verdict_and_ends_in_time_without_a_secret(ask: Asks, what: str):
    script, says = HOSTILE[what]
    async with FarSide([script]) as far:
        began = time.monotonic()
        with pytest.raises(Undelivered, match=says) as raised:
            await ask(far.url, timeout="500ms")
        assert time.monotonic() - began < 1.5
    assert isinstance(raised.value, Unclear) == says.startswith(("larger", "is ", "no verdict"))
    assert "s3cr3t" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    assert len(far.heads) == 1, "no redirect is followed"


async def test_a_message_is_bounded_printable_and_without_what_only_we_know(ask: Asks):
    body = b'{"verdict": "PASS", "message": "\\u001b[31m\\u202e T0KEN-OF-OURS ' + b"x" * 9000 + b'", "more": 1}'
    async with FarSide([answer(body)]) as far:
        said = await ask(far.url)
    assert len(said.message) == LONGEST_SAID
    assert said.message.isprintable()
    assert "T0KEN" not in said.message


async def test_a_server_that_is_not_there_is_told_without_its_address(ask: Asks):
    with pytest.raises(Undelivered, match=r"^no answer: Connection refused$"):
        await ask("http://127.0.0.1:9/very-secret-path-of-ours")


async def test_the_example_answers_by_subject_and_refuses_what_nobody_signed(
    webhook: Callable[..., GateWebhook], tmp_path: Path
):
    module = runpy.run_path(str(ROOT / "examples/webhook-gate/judge.py"))
    asked = {**DATA, "subject": "one", "weights": {"stable": 95, "candidate": 5}}
    server = ThreadingHTTPServer(("127.0.0.1", 0), module["Judge"])
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    module["Judge"].key = KEY
    hooked, judge = webhook(f"http://127.0.0.1:{server.server_port}/"), WebhookJudge()
    try:
        said = await judge.ask(hooked, Question("1", time.time(), asked))
        assert said.verdict == "CONTINUE"
        assert "s of load left" in said.message
        module["LoadTest"].SECONDS = 0.0
        said = await judge.ask(hooked, Question("2", time.time(), asked))
        assert said == Said("PASS", "version 2 carried the load at 5 %")
        assert list(module["TESTS"]) == ["one"]
        (tmp_path / "key").write_text(base64.b64encode(b"o" * 32).decode())
        with pytest.raises(Undelivered, match="it answered 401"):
            await judge.ask(hooked, Question("3", time.time(), asked))
    finally:
        await judge.close()
        server.shutdown()
        server.server_close()


async def test_trouble_is_tried_again_and_then_its_answer_counts(webhook: Callable[..., GateWebhook]):
    async with FarSide([answer(b"", "503 Later"), verdict("PASS")]) as far:
        judge = WebhookJudge()
        answers = WebhookAnswers(judge, config(webhook(far.url, tries=2)), MemoryMetrics())
        request = request_of(spec_of(GATE))
        answers.ask(request, evaluation(1), 0.0)
        async with asyncio.timeout(10):
            await asyncio.gather(*answers.under_way)
        await judge.close()
    assert answers.known(request)["load"].verdict == "PASS"
    ids = {from_http_event(HTTPMessage(far.headers, body)).get_id() for body in far.bodies}
    assert (len(far.heads), len(ids)) == (2, 1)
