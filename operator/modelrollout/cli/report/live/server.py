"""The server of `dashboard`: two pages, on 127.0.0.1 alone."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from contextlib import suppress
from http import HTTPStatus
from importlib.metadata import version

from aiohttp import web

from modelrollout.cli import access
from modelrollout.cli.printing import tell
from modelrollout.cli.report.live.guard import HOSTS, guard, new_token
from modelrollout.cli.report.live.overview import FOOTER, TITLE, connection, overview
from modelrollout.cli.report.live.source import LiveSource
from modelrollout.cli.report.page.document import document
from modelrollout.cli.report.page.elements import el, section
from modelrollout.cli.report.page.report import heading, live_page
from modelrollout.cli.target import Failure

log = logging.getLogger(__name__)


class Pages:
    """The handlers."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._drawing = asyncio.Lock()

    async def all(self, _: web.Request) -> web.Response:
        """Every rollout in one row."""
        try:
            rows, said = await self._source.rows()
        except Failure as error:
            return _page(_failed(str(error)), HTTPStatus.BAD_GATEWAY)
        return _page(overview(rows, self._source.api.clock.now(), said))

    async def one(self, request: web.Request) -> web.Response:
        """One rollout, as in its report."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        try:
            facts = await self._source.facts(namespace, name)
        except Failure as error:
            return _page(_failed(str(error)), HTTPStatus.BAD_GATEWAY)
        async with self._drawing:  # Matplotlib draws one at a time
            text = await asyncio.to_thread(live_page, facts, [*heading(facts), connection()], FOOTER)
        return _page(text)


def _page(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def _failed(sentence: str) -> str:
    parts = [section("failed", "It cannot be shown", el("p", sentence, class_="missing"))]
    return document(TITLE, [el("h1", TITLE), connection()], parts, FOOTER, live=True)


def application(source: LiveSource, token: str, port: list[int]) -> web.Application:
    """`port` holds the one that is listened on, once it is known."""
    app = web.Application(middlewares=[guard(token, lambda: port[0])])
    pages = Pages(source)
    app.router.add_get(f"/{token}/", pages.all)
    app.router.add_get(f"/{token}/rollouts/{{namespace}}/{{name}}", pages.one)
    return app


def serve(args: argparse.Namespace) -> int:
    """Until Ctrl-C or SIGTERM; 0. Failure where the port cannot be had or the API server not be reached."""
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    home = access.namespace_of(args)
    async with await access.open_api(args) as api:
        source, token, port = LiveSource(api, args, args.namespace, home), new_token(), [0]
        await source.rows()  # a wrong context is said now, not in a browser
        runner = web.AppRunner(application(source, token, port), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOSTS[0], args.port)
            try:
                await site.start()
            except OSError as error:
                why = error.strerror or str(error)
                raise Failure(f"--port is {args.port}: {why}; choose another, or leave it out") from error
            port[0] = runner.addresses[0][1]
            tell(f"modelrollout {version('modelrollout')}: http://{HOSTS[0]}:{port[0]}/{token}/ (Ctrl-C ends it)")
            await _stopped()
        finally:
            await source.close()
            await runner.cleanup()
    return 0


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows no loop takes signals: there Ctrl-C ends asyncio.run itself
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
