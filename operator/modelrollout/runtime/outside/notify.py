"""`modelrollout-operator notify --test`: a test notification to each sink, from where the operator itself sends them.

Only there are the files with addresses and keys, the network's policy and the names that DNS knows.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.notifications import make_channel
from modelrollout.core import reasons
from modelrollout.core.notice import make_notice
from modelrollout.core.observation import Event
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from modelrollout.api.config.notifications import Notifications, Sink

SAID = "this is a test notification: nothing has happened to any rollout"
_EXAMPLE: dict[str, Any] = {
    "metadata": {"namespace": "test", "name": "notification"},
    "spec": {"model": {"name": "test"}},
    "status": {"phase": "Serving", "stable": "1"},
}


@dataclass(frozen=True)
class Tested:
    """A line for each sink, and the exit status: 0, 1 where one did not take it, 2 where there is none such."""

    lines: tuple[str, ...]
    status: int


async def send_tests(config: Notifications, names: tuple[str, ...] = ()) -> Tested:
    """One try each, whatever namespaces and kinds the sinks want."""
    known = {sink.name: sink for sink in config.sinks}
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        listed = f"there are {', '.join(known)}" if known else "the configuration has none (notifications.sinks)"
        return Tested((f"no sink is called {', '.join(unknown)}: {listed}" if unknown else listed,), 2)
    found = [(name, await _send(known[name])) for name in (names or known)]
    return Tested(tuple(f"{name}: {wrong or 'sent'}" for name, wrong in found), int(any(wrong for _, wrong in found)))


async def _send(sink: Sink) -> str:
    """What is wrong; empty where the sink took it."""
    notice = make_notice(_EXAMPLE, Event(reasons.ADOPTED, SAID), time.time(), str(uuid.uuid4()))
    channel = make_channel(sink)
    try:
        async with asyncio.timeout(sink.timeout):
            await channel.deliver(notice)
    except Undelivered as error:
        return f"not sent: {error}"
    except TimeoutError:
        return f"not sent: it took longer than {sink.timeout:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a library raises; its text may hold an address
        return f"not sent: {type(error).__name__}"
    finally:
        await channel.close()
    return ""
