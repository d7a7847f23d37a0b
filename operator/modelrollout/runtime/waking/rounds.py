"""Whatever the watches tell: every so often what there is is listed, and what nobody has seen so is woken.

A watch can say nothing for ever and look alive, behind a proxy that swallows answers, and a revert must not wait for
the next pass of a resource at rest. One list of names and versions is read for all of them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from modelrollout.ports import Conflict, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from modelrollout.runtime.waking.news import Kind, Version

log = logging.getLogger(__name__)
EVERY = 3.0
"""Times `resync`: 30 s by default."""


async def go_round(
    versions: Callable[[], Awaitable[Iterable[tuple[str, str, str]]]],
    wake: Callable[[str, str, Version], None],
    seconds: float,
    kind: Kind = "resource",
) -> None:
    """Until it is cancelled, tell `wake` every so many seconds of each (namespace, name, resourceVersion)."""
    while True:
        await asyncio.sleep(seconds)
        try:
            found = await versions()
        except (Unreachable, Conflict) as error:
            log.info("the resources cannot be listed; the watches tell meanwhile: %s", error)
            continue
        except Exception:  # any defect: the rounds go on
            log.exception("the resources cannot be listed; the watches tell meanwhile")
            continue
        for namespace, name, version in found:
            wake(namespace, name, (kind, version))
