"""One ModelRollout as a person sees it: once or live, also where there is no terminal."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.status import Status
from modelrollout.cli import access
from modelrollout.cli.render import line, render, status_of
from modelrollout.cli.target import Failure

_PERIOD = 1.0
_PATIENCE = 30.0
"""Seconds for which a live picture goes on through failures to reach the API server."""


def show(args: argparse.Namespace) -> int:
    """What the arguments ask for; Failure when the resource cannot be read."""
    return asyncio.run(_show(args, Console()))


async def _show(args: argparse.Namespace, console: Console) -> int:
    namespace = access.namespace_of(args)
    async with await access.open_api(args) as api:
        obj, live = await _look(api, namespace, args.name)
        if not args.watch:
            console.print(render(obj, live, time.time()))
        else:
            await follow(api, namespace, args.name, console)
    return 0


async def _look(api: Api, namespace: str, name: str) -> tuple[dict[str, Any], int | None]:
    """The object, and the candidate's percent on the route (of any version but stable, where none is tried)."""
    obj, route = await asyncio.gather(access.get_resource(api, namespace, name), access.get_route(api, namespace, name))
    status = status_of(obj)
    if route is None or status is None:
        return obj, None
    if status.candidate:
        return obj, route.weight_of(status.candidate)
    return obj, 100 - route.weight_of(status.stable)


async def _look_again(api: Api, namespace: str, name: str, since: float) -> tuple[dict[str, Any], int | None] | None:
    """As _look, but a failure only counts once it has lasted; None meanwhile."""
    try:
        return await _look(api, namespace, name)
    except Failure:
        if time.monotonic() - since > _PATIENCE:
            raise
        return None


async def follow(
    api: Api, namespace: str, name: str, console: Console, over: Callable[[Status], bool] = lambda _: False
) -> Status:
    """Show it as it happens until `over(status)`: a live picture on a terminal, elsewhere a line for every change."""
    show = _show_live if console.is_terminal else _show_lines
    with show(console) as update:
        observed = time.monotonic()
        while True:
            found = await _look_again(api, namespace, name, observed)
            if found is not None:
                observed = time.monotonic()
                update(*found)
                status = status_of(found[0])
                if status is not None and over(status):
                    return status
            await asyncio.sleep(_PERIOD)


Update = Callable[[dict[str, Any], int | None], None]


@contextmanager
def _show_live(console: Console) -> Iterator[Update]:
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as picture:
        yield lambda obj, live: picture.update(render(obj, live, time.time()), refresh=True)


@contextmanager
def _show_lines(console: Console) -> Iterator[Update]:
    last = ""

    def update(obj: dict[str, Any], live: int | None) -> None:
        nonlocal last
        text = line(obj, live)
        if text != last:
            console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, highlight=False, soft_wrap=True)
            last = text

    yield update
