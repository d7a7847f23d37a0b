"""What the operator's own command prints: its help, why it does not start, and why it must end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from modelrollout import __main__ as program
from tests.golden.command_line import words
from tests.golden.process.local import Answer, instead, kubeconfig, logged, plain, refusal, sends, serving

GOOD = 'prometheus: [{name: default, url: "http://prometheus:9090"}]\n'
CONFIGURATIONS = {
    "a configuration that lists no server": "prometheus: default\n",
    "a configuration with a field that there is not": GOOD + "probeTimout: 1s\n",
    "a configuration that is no YAML": "prometheus: [\n",
    "an empty configuration": "",
}


def texts() -> dict[str, str]:
    """Its help, and what is said of every configuration and API server with which it does not start."""
    found = {"help": "\n".join(words(program.parser())), "no configuration": _run()}
    with tempfile.TemporaryDirectory() as folder:
        for title, text in CONFIGURATIONS.items():
            Path(folder, "config.yaml").write_text(text)
            found[title] = _run("--config", f"{folder}/config.yaml")
        found["a configuration that is not there"] = _run("--config", f"{folder}/none.yaml")
        for title, answer in {
            "an API server without the CRD": sends(404, "404 page not found"),
            "an operator without rights": refusal(403, "modelrollouts is forbidden"),
        }.items():
            Path(folder, "config.yaml").write_text(GOOD + "settle: 10s\n")
            found[title] = _started_on(answer, f"{folder}/config.yaml")
        found = {title: text.replace(folder, "/etc/modelrollout") for title, text in found.items()}
    found["a Lease that is lost"] = _said(lambda: program._end_at_once("operator-b took the Lease"))
    return found


def _run(*arguments: str) -> str:
    return _said(lambda: program.main([*arguments, "--health-port", "0"]))


def _started_on(answer: Answer, config: str) -> str:
    """The command runs a loop of its own, so the API server is in another thread."""
    ready, done = Event(), Event()
    urls: list[str] = []

    async def serve() -> None:
        async with serving() as local:
            local.answer = answer
            urls.append(local.url)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        with kubeconfig(urls[0]) as path:
            return _run("--config", config, "--kubeconfig", path)
    finally:
        done.set()
        thread.join()


def _said(call: Callable[[], object]) -> str:
    """What is printed and logged, and the exit status; the call is ended, not this process or its log.

    A library's handler that is closed while stderr is another one would take the stream that pytest reads with it.
    """
    err = io.StringIO()
    ends = instead(os, _exit=sys.exit), instead(logging, shutdown=lambda: None)
    with logged() as lines, ends[0], ends[1], contextlib.redirect_stderr(err):
        try:
            status = call()
        except SystemExit as end:
            status = end.code
    return "\n".join([*lines, plain(err.getvalue().strip()), f"exit status {status}"])
