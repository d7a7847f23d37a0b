"""Webhooks, e-mail and what Apprise sends arrive at real servers, signed and without a secret in any sentence."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from modelrollout.adapters.notifications import make_channel
from modelrollout.adapters.notifications.services import _load
from modelrollout.api.borders.secrecy import without_secrets
from modelrollout.api.config.notifications import Notifications, Sink
from modelrollout.ports import Undelivered
from modelrollout.runtime.outside.notify import send_tests
from tests import ROOT
from tests.integration.notifications.receiver import Got, Receiver
from tests.unit.notifications.told import notice

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = base64.b64encode(b"k" * 32).decode()
OLDER = base64.b64encode(b"o" * 32).decode()
PAGE = ROOT / "docs/on-call/notifications.md"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], str]:
    def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text + "\n")
        return str(tmp_path / name)

    return written


def webhook(file: Callable[[str, str], str], url: str, **more: Any) -> Sink:
    target = {"urlFile": file("url", url), "keyFile": file("key", f"whsec_{KEY}")} | more
    return Sink.model_validate({"name": "hook", "webhook": target, "timeout": "5s"}, by_alias=True)


def service(file: Callable[[str, str], str], url: str, **more: Any) -> Sink:
    found = {"name": "chat", "apprise": {"urlFile": file("apprise", url)}, "timeout": "60s"} | more
    return Sink.model_validate(found, by_alias=True)


async def deliver(sink: Sink) -> None:
    channel = make_channel(sink)
    try:
        await channel.deliver(notice())
    finally:
        await channel.close()


async def test_a_webhook_gets_a_cloud_event_that_the_standards_own_libraries_read_and_verify(file: Any):
    with Receiver() as receiver:
        target = {"previousKeyFile": file("older", OLDER), "bearerTokenFile": file("token", "T0KEN-OF-OURS")}
        await deliver(webhook(file, f"http://127.0.0.1:{receiver.port}/train?key=s3cr3t-of-ours", **target))
        got = receiver.wait()
    event = from_http_event(HTTPMessage(got.headers, got.body))
    assert event.get_type() == "dev.modelrollout.rollout.rolledback"
    assert event.get_source() == "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrollouts/digits"
    data: Any = event.get_data()
    assert (data["candidate"], data["kinds"]) == ("2", ["Drift", "RolledBack"])
    assert data["gates"][0] == {"name": "drift", "type": "Drift", "verdict": "FAIL", "required": True, "layer": "relu1",
                                "observed": "0.31"}  # fmt: skip
    for key in (KEY, OLDER):
        assert Verifier(key).verify(got.body, got.headers)["id"] == event.get_id()
    with pytest.raises(WebhookVerificationError):
        Verifier(KEY).verify(got.body.replace(b'"2"', b'"3"'), got.headers)
    assert got.headers["authorization"] == "Bearer T0KEN-OF-OURS"
    assert without_secrets("T0KEN-OF-OURS, key=s3cr3t-of-ours") == "***, ***"


async def test_the_example_of_the_page_verifies_it_and_nothing_else(file: Any):
    with Receiver() as receiver:
        await deliver(webhook(file, f"http://127.0.0.1:{receiver.port}/"))
        got = receiver.wait()
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "hmac" in block)
    room: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), room)
    verify = room["verify"]
    assert verify(KEY, got.headers, got.body)
    assert not verify(OLDER, got.headers, got.body)
    assert not verify(KEY, got.headers, got.body + b" ")
    assert not verify(KEY, got.headers | {"webhook-timestamp": "1700000000"}, got.body), "an old one sent again"


@pytest.mark.parametrize(
    ("status", "headers", "final", "after"),
    [
        (503, {"Retry-After": "7"}, False, 7.0),
        (429, {}, False, None),
        (400, {}, True, None),
        (307, {"Location": "http://127.0.0.1:1/elsewhere"}, True, None),
    ],
)
async def test_an_answer_says_whether_to_try_again_and_no_redirect_is_followed(
    file: Any, status: int, headers: dict[str, str], final: bool, after: float | None
):
    with Receiver(answers=[(status, headers)]) as receiver:
        with pytest.raises(Undelivered, match=f"it answered {status}") as raised:
            await deliver(webhook(file, f"http://127.0.0.1:{receiver.port}/"))
        assert (raised.value.final, raised.value.retry_after) == (final, after)
        assert len(receiver.got) == 1


async def test_what_is_wrong_with_a_file_or_a_server_is_said_without_its_secret(file: Any, tmp_path: Path):
    gone = webhook(file, "http://127.0.0.1:9/T0KEN-OF-OURS-THAT-IS-LONG")
    with pytest.raises(Undelivered, match="no answer: Connection refused") as raised:
        await deliver(gone)
    assert "T0KEN" not in str(raised.value)
    for name, text, said in (("key", "short", "key file"), ("url", "ftp://x", "no http or https"), ("key", "", "line")):
        broken = webhook(file, "http://127.0.0.1:9/")
        file(name, text)
        with pytest.raises(Undelivered, match=said):
            await deliver(broken)


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append(envelope)
        return "250 OK"


async def test_a_mail_arrives_by_smtp(file: Any):
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=0)
    server.port = _free_port()
    server.start()
    try:
        await deliver(
            service(file, f"mailto://127.0.0.1:{server.port}?from=mro@example.com&to=a@example.com&mode=insecure")
        )
    finally:
        server.stop()
    mail = box.mails[0]
    assert mail.rcpt_tos == ["a@example.com"]
    text = mail.content.decode()
    assert "Subject: digits: RolledBack, GateFailed (vision/digits)" in text
    assert "version 2 rolled back" in text


async def test_apprise_takes_the_words_and_no_name_can_call_everybody(file: Any):
    with Receiver() as receiver:
        template = {"title": "$kind", "text": "$message by <!channel> of the template"}
        await deliver(service(file, f"json://127.0.0.1:{receiver.port}/hook", templates=[template]))
        got: Got = receiver.wait()
    assert got.json["type"] == "failure"
    assert got.json["title"] == "RolledBack"
    assert got.json["message"] == "version 2 rolled back: drift: 0.31 › 0.1 by <!channel> of the template"


async def test_a_service_that_hangs_keeps_one_thread_and_its_sink_alone(file: Any):
    await asyncio.to_thread(_load)  # or loading it is what takes too long
    with Receiver(hang=30) as receiver:
        channel = make_channel(service(file, f"json://127.0.0.1:{receiver.port}/?rto=30", timeout="3s"))
        with pytest.raises(TimeoutError):
            await channel.deliver(notice())
        with pytest.raises(Undelivered, match="still hangs"):
            await channel.deliver(notice())
        await channel.close()


async def test_the_test_verb_says_how_each_sink_took_it(file: Any):
    with Receiver() as receiver, Receiver(answers=[(410, {})]) as gone:
        sinks = [
            webhook(
                file, f"http://127.0.0.1:{one.port}/", urlFile=file(name, f"http://127.0.0.1:{one.port}/")
            ).model_copy(update={"name": name})
            for name, one in (("ours", receiver), ("theirs", gone))
        ]
        config = Notifications(sinks=sinks)
        found = await send_tests(config)
        assert found.lines == ("ours: sent", "theirs: not sent: it answered 410")
        assert found.status == 1
        assert (await send_tests(config, ("ours",))).status == 0
        assert "nothing has happened to any rollout" in receiver.got[0].json["data"]["message"]
    assert (await send_tests(config, ("none",))).lines == ("no sink is called none: there are ours, theirs",)
    assert (await send_tests(Notifications())).status == 2


def _free_port() -> int:
    from tests.lab import free_port  # noqa: PLC0415 - what only the lab needs is imported where it is used

    return free_port()


async def test_a_slow_sink_and_a_fast_one_know_nothing_of_each_other(file: Any):
    with Receiver(hang=30) as slow, Receiver() as fast:
        hooks = [make_channel(webhook(file, f"http://127.0.0.1:{one.port}/")) for one in (slow,)]
        waiting = asyncio.create_task(hooks[0].deliver(notice()))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            await deliver(webhook(file, f"http://127.0.0.1:{fast.port}/"))
        waiting.cancel()
        await hooks[0].close()
