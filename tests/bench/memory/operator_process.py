"""The part of the operator that asks Prometheus and judges, in a process of its own, beside hostile tenants."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import threading
import time
from pathlib import Path

import modelrollout.runtime.run  # noqa: F401 - what the operator has imported
from modelrollout.adapters.prometheus.ledger import OUR_PLACES, PrometheusLedger
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.runtime.evaluation.evaluator import Evaluator

INTERVAL = 2.0
MIB = 2.0**20


def main() -> None:
    """Print one line of JSON: MiB at rest and at most, seconds of the healthy tenant's queries and evaluations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("alone", "answers", "rollouts"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("urls", nargs="+")
    given = parser.parse_args()
    rest, memory = resident(), Memory()
    with memory:
        found = asyncio.run(_operate(given.what, given.seconds, given.urls))
    print(json.dumps({"rest": rest, "most": memory.most, **found}))


def resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MIB


class Memory:
    """The largest resident memory, looked at every 10 ms."""

    most = 0.0

    def __enter__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.01):
            self.most = max(self.most, resident())


async def _operate(what: str, seconds: float, urls: list[str]) -> dict[str, object]:
    servers = [PrometheusServer(name=f"s{n}", url=url) for n, url in enumerate(urls)]
    ledger = PrometheusLedger()
    evaluator = Evaluator(ledger, OperatorConfig(prometheus=servers))
    began = time.time()
    said: dict[str, int] = {}
    others = []
    if what == "answers":
        others = [asyncio.create_task(_ask(ledger, one, said)) for one in servers[1:] for _ in range(OUR_PLACES)]
    elif what == "rollouts":
        others = [
            asyncio.create_task(_judge(evaluator, request_to(n, began - 60), said)) for n in range(1, len(servers))
        ]
    healthy = asyncio.create_task(_judge_timed(evaluator, request_to(0, began - 60), began + seconds))
    queries = []
    while time.time() < began + seconds:
        at = time.monotonic()
        now = time.time()
        found = await ledger.range(servers[0], "up", now - 300, now)
        assert isinstance(found, tuple), found
        queries.append(time.monotonic() - at)
        await asyncio.sleep(0.05)
    evaluations = await healthy
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    ledger.close()
    return {"queries": queries, "evaluations": evaluations, "said": said}


async def _ask(ledger: PrometheusLedger, server: PrometheusServer, said: dict[str, int]) -> None:
    while True:
        now = time.time()
        found = await ledger.range(server, "up", now - 900, now)
        key = "answers" if isinstance(found, tuple) else found.reason
        said[key] = said.get(key, 0) + 1


async def _judge(evaluator: Evaluator, request: EvaluationRequest, said: dict[str, int]) -> None:
    while True:
        found = await evaluator.evaluate(request, time.time())
        if found is not None:
            key = getattr(found, "reason", "judged")
            said[key] = said.get(key, 0) + 1
        await asyncio.sleep(0.1)


async def _judge_timed(evaluator: Evaluator, request: EvaluationRequest, until: float) -> list[float]:
    found = []
    while time.time() < until:
        with contextlib.suppress(asyncio.TimeoutError):
            at = time.monotonic()
            if await evaluator.evaluate(request, time.time()) is not None:
                found.append(time.monotonic() - at)
        await asyncio.sleep(0.1)
    return found


def request_to(number: int, start: float, *, interval: float = INTERVAL) -> EvaluationRequest:
    """A rollout on server `number` that started at `start`, epoch seconds."""
    spec = Spec.model_validate(
        {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}"},
            "traffic": {"gateway": {"name": "inference", "namespace": "infra", "hostnames": ["a.b"]}},
            "steps": [{"weight": 5, "hold": "10m"}],
            "gates": [{"name": "dead", "type": "DeadNeurons"}],
            "analysis": {"warmup": "0s", "interval": f"{interval:g}s", "prometheus": f"s{number}"},
        }
    )
    return EvaluationRequest(
        rollout=f"r{number}",
        namespace="bench",
        name=f"r{number}",
        spec=spec,
        stable="1",
        candidate="2",
        started_at=start,
        evidence_from=start,
        steps=((5, start),),
        dialect=None,
    )


if __name__ == "__main__":
    main()
