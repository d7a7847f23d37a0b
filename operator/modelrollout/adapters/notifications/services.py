"""Notifications for people, by Apprise: Slack, Teams, e-mail, PagerDuty and what else it knows.

Apprise waits in threads. Each sink has one of its own, so that one which hangs takes nobody else's. It is loaded when
the operator starts, not when the first version is rolled back: that takes a second or two of the interpreter's time.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.files import Unreadable, url_in
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from modelrollout.api.config.notifications import AppriseTarget, Sink
    from modelrollout.core.notice import Notice

IS_THERE = importlib.util.find_spec("apprise") is not None
MISSING = "the package apprise is not installed: pip install 'modelrollout[notifications]'"
_STYLES = {"Promoted": "success", "RolledBack": "failure", "NeedsPerson": "warning", "Warning": "warning"}
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "(", "]": ")", "`": "'"})
"""Signs by which a name or a quoted text could call everybody of a channel, or hide where a link leads."""


class Service:
    """A Channel of ports.py."""

    def __init__(self, sink: Sink, target: AppriseTarget) -> None:
        self._sink, self._target = sink, target
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sink-{sink.name}")
        self._busy = threading.Lock()
        if IS_THERE:
            self._thread.submit(_load)

    async def deliver(self, notice: Notice) -> None:
        """One message. Raises Undelivered."""
        if not IS_THERE:
            raise Undelivered(MISSING, final=True)
        if self._busy.locked():
            raise Undelivered("it still hangs at the message before")
        facts = {key: value.translate(_HARMLESS) for key, value in notice.facts.items()}
        title, text = self._sink.render(notice.kinds, facts)
        style = _STYLES.get(notice.kind, "info")
        async with asyncio.timeout(self._sink.timeout):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._send, title, text, style)

    async def close(self) -> None:
        """A thread that hangs ends with the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _send(self, title: str, text: str, style: str) -> None:
        with self._busy:
            service = self._service()
            if not service.notify(body=text, title=title, notify_type=style, body_format="text"):
                raise Undelivered("the service did not take it, or did not answer")

    def _service(self) -> Any:
        """Made anew: the file may hold another URL by now."""
        try:
            url = url_in(self._target.url_file)
        except Unreadable as error:
            raise Undelivered(str(error)) from None
        service = _load()
        if not service.add(url):
            raise Undelivered(f"URL file {self._target.url_file} holds no URL that Apprise knows", final=True)
        return service


def _load() -> Any:
    """Apprise with all it knows, and no address yet."""
    import apprise  # noqa: PLC0415 - a second or two and some megabytes, only where somebody asks for it

    logging.getLogger("apprise").disabled = True  # its lines hold addresses and what services answer
    found = apprise.Apprise()
    found.add("json://localhost")  # it reads its services with the first address
    found.clear()
    return found
