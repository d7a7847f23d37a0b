"""`modelrollout-operator notify --test` as a process: a real web server and a real mail server get what it sends."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook as Verifier

from tests import ROOT
from tests.integration.notifications.receiver import Receiver
from tests.lab import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = base64.b64encode(b"k" * 32).decode()
SECRET = "T0KEN-0F-0URS-THAT-IS-LONG"


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
def mails() -> Iterator[tuple[int, list[Any]]]:
    box, port = Mailbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield port, box.mails
    server.stop()


def configured(folder: Path, hook: int, mail: int) -> Path:
    """A configuration with a sink of each kind, and one whose server is not there."""
    files = {
        "key": KEY,
        "hook": f"http://127.0.0.1:{hook}/train?key={SECRET}",
        "mail": f"mailto://127.0.0.1:{mail}?from=mro@example.com&to=a@example.com&mode=insecure",
        "gone": f"http://127.0.0.1:{free_port()}/{SECRET}",
    }
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    hooks = [
        {"name": name, "webhook": {"urlFile": str(folder / name), "keyFile": str(folder / "key")}}
        for name in ("hook", "gone")
    ]
    chat = {"name": "mail", "apprise": {"urlFile": str(folder / "mail")}, "timeout": "60s"}
    config = folder / "config.yaml"
    document = {"prometheus": [{"url": "http://p"}], "notifications": {"sinks": [*hooks, chat]}}
    config.write_text(yaml.safe_dump(document))
    return config


def notify(*words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    command = [sys.executable, "-m", "modelrollout", "notify", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)


def test_each_sink_is_sent_one_and_the_exit_status_says_whether_all_took_it(
    tmp_path: Path, mails: tuple[int, list[Any]]
):
    port, arrived = mails
    with Receiver() as receiver:
        config = str(configured(tmp_path, receiver.port, port))
        ran = notify("--test", "--config", config)
        got = receiver.wait()
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1, said
    assert [line for line in ran.stdout.splitlines() if ": " in line] == [
        "hook: sent",
        "gone: not sent: no answer: Connection refused",
        "mail: sent",
    ], said
    assert Verifier(KEY).verify(got.body, got.headers)["data"]["reason"] == "Adopted"
    assert "nothing has happened to any rollout" in arrived[0].content.decode().replace("=\r\n", "")
    assert SECRET not in said


def test_one_sink_alone(tmp_path: Path):
    with Receiver() as receiver:
        one = notify("--test", "--sink", "hook", "--config", str(configured(tmp_path, receiver.port, 9)))
        assert (one.returncode, one.stdout) == (0, "hook: sent\n")
        assert len(receiver.got) == 1
