"""Ten Prometheus servers that answer every query with as much as is read, and one that is healthy."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time

from aiohttp import web

from modelrollout.adapters.prometheus.limits import MAX_BYTES, MAX_SAMPLES, MAX_SERIES

BEHIND, AHEAD = 600.0, 120.0
"""Seconds around the start of this process in which its samples lie."""
HEAD, TAIL = b'{"status":"success","data":{"resultType":"matrix","result":[', b"]}}"
SHAPES = ("many series", "many samples", "one series", "many labels", "wide labels")
METRICS = ("model_activation_windows_total", "model_activation_window_dead_neurons_total", "model_requests_total")


def main() -> None:
    """Serve until the standard input ends; the first line on the standard output has the addresses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hostile", type=int)
    asyncio.run(_serve(parser.parse_args().hostile))


async def _serve(hostile: int) -> None:
    now = time.time()
    bodies = [_at_the_limit(shape, now) for shape in itertools.islice(itertools.cycle(SHAPES), hostile)]
    urls = [await _server(body) for body in [_small(now), *bodies]]
    print(json.dumps(urls), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, input_ended)


def input_ended() -> None:
    """Wait until whoever started this process is gone."""
    import sys  # noqa: PLC0415 - only the server reads

    sys.stdin.read()


async def _server(body: bytes) -> str:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _small(now: float) -> bytes:
    """Two versions and six layers of a small model, scraped every 15 s."""
    found = [
        _entry(_labels(metric, arm, str(layer)), now, 48) for metric in METRICS for arm in (1, 2) for layer in range(6)
    ]
    return HEAD + b",".join(found) + TAIL


def _at_the_limit(shape: str, now: float) -> bytes:
    """As many series of this shape as are accepted."""
    series, samples = {
        "many series": (MAX_SERIES, 24),
        "many samples": (100, MAX_SAMPLES // 100 - 1),
        "one series": (1, MAX_SAMPLES - 1),
        "many labels": (MAX_SERIES, 2),
        "wide labels": (MAX_SERIES, 2),
    }[shape]
    size, found = len(HEAD) + len(TAIL), []
    points = _points(now, samples)
    for number in range(series):
        more = {}
        if shape == "many labels":
            more = {f"l{n}": f"{number}-{n}" for n in range(40)}
        elif shape == "wide labels":
            more = {"wide": "\N{GRINNING FACE}" + f"{number:0500d}"}
        labels = _labels(METRICS[number % 2], 1 + number // 2 % 2, f"layer-{number // 4}") | more
        entry = _with(labels, points)
        if size + len(entry) + 1 > MAX_BYTES:
            break
        size += len(entry) + 1
        found.append(entry)
    return HEAD + b",".join(found) + TAIL


def _labels(metric: str, version: int, layer: str) -> dict[str, str]:
    facts = {"namespace": "bench", "job": "triton", "instance": f"10.0.0.{version}:8002", "pod": f"digits-{version}"}
    return {"__name__": metric, "model": "digits", "version": str(version), "layer": layer, **facts}


def _points(now: float, number: int) -> bytes:
    apart = (BEHIND + AHEAD) / number
    return b",".join(b'[%.3f,"%d"]' % (now - BEHIND + apart * at, 100 * at) for at in range(number))


def _entry(labels: dict[str, str], now: float, number: int) -> bytes:
    return _with(labels, _points(now, number))


def _with(labels: dict[str, str], points: bytes) -> bytes:
    return b'{"metric":' + json.dumps(labels, ensure_ascii=False).encode() + b',"values":[' + points + b"]}"


if __name__ == "__main__":
    main()
