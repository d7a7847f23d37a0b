"""Why Prometheus gave no answer that could be used: a sentence for every reason, and those of Query gates."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, cast

from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.gates import QueryGate
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.ports import LedgerFailure
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.evaluation.query_answers import QueryAnswers
from modelrollout.runtime.evaluation.question import grid_of
from tests.golden.process.local import Answer, Local, hangs, instead, plain, sends, serving
from tests.unit.analysis.recorded import StoredLedger, request_of, spec_of

NOW, DATE = 1_700_000_000.0, "Tue, 14 Nov 2023 22:13:20 GMT"
"""The same time, in seconds and as a server writes it."""
MEBIBYTE = 2**20


def _result(result: object, **more: object) -> Answer:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return sends(200, json.dumps(body, separators=(",", ":")), Date=DATE)


ANSWERS: dict[str, Answer] = {
    "a login page": sends(200, "<html>login</html>", Date=DATE),
    "JSON of something else": sends(200, {"hello": 1}, Date=DATE),
    "a scalar": _result([1, "2"]),
    "a query that it cannot parse": sends(400, {"status": "error", "error": "parse error"}, Date=DATE),
    "a query that takes too much": sends(422, {"status": "error", "error": "query timed out"}, Date=DATE),
    "credentials that it does not take": sends(401, "Unauthorized", Date=DATE),
    "a server that starts": sends(503, "Service Unavailable", Date=DATE),
    "an incomplete answer": _result([], warnings=["store x is down"]),
    "too many series": _result([{"metric": {}, "values": []}] * 10_001),
    "an answer that is too large": sends(200, " " * (MEBIBYTE + 1), Date=DATE),
    "a clock that runs late": sends(200, {}, Date=DATE.replace("22:13:20", "22:12:50")),
    "a clock that runs early": sends(200, {}, Date=DATE.replace("22:13:20", "22:13:50")),
    "a server that hangs": hangs,
}


class _Defective(StoredLedger):
    async def range(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("division by zero")


def _evaluator(ledger: StoredLedger) -> Evaluator:
    return Evaluator(ledger, OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus:9090")]))


class _Clock:
    def now(self) -> float:
        return NOW


async def texts() -> dict[str, str]:
    """The reason and the sentence of every failure, then of Query gates that get no answer."""
    return await failures() | await queries()


async def failures() -> dict[str, str]:
    ledger, found = PrometheusLedger(_Clock()), {}
    with _smallest_answer():
        async with serving() as local:
            for title, answer in ANSWERS.items():
                local.answer = answer
                found[title] = await _ask(ledger, local, timeout=0.05 if answer is hangs else 30.0)
            found["a token that cannot be read"] = await _ask(ledger, local, bearer_token_file="/none/token")
    found["nobody listens"] = await _ask(ledger, local, url="http://127.0.0.1:1")
    ledger.close()
    other = OperatorConfig(prometheus=[PrometheusServer(name="other", url="http://prometheus:9090")])
    outage = await Evaluator(StoredLedger(), other).evaluate(request_of(spec_of()), NOW + 60)
    assert isinstance(outage, MetricsOutage)
    found["a server that is not configured"] = f"{outage.reason}: {outage.message}"
    failed = await _evaluator(_Defective()).evaluate(request_of(spec_of()), NOW + 60)
    assert isinstance(failed, MetricsOutage)
    found["a defect of the evaluation itself"] = f"{failed.reason}: {failed.message}"
    return found


async def _ask(ledger: PrometheusLedger, local: Local, **changes: Any) -> str:
    server = PrometheusServer.model_validate({"name": "default", "url": local.url, **changes}, by_name=True)
    found = await ledger.range(server, "up", NOW - 60, NOW)
    assert isinstance(found, LedgerFailure)
    return f"{found.reason}: {plain(found.message)}"


@contextlib.contextmanager
def _smallest_answer() -> Iterator[None]:
    """One mebibyte is as much as is read: what is said of 64 is the same, and takes longer."""
    with contextlib.ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("modelrollout.adapters.prometheus.") and hasattr(module, "MAX_BYTES"):
                stack.enter_context(instead(module, MAX_BYTES=MEBIBYTE))
        yield


async def queries() -> dict[str, str]:
    return {
        "a server that allows no queries": await _problem("up", allowed=False),
        "a placeholder that there is not": await _problem("up{a='{{verson}}'}"),
        "a query that is refused": await _problem("up", LedgerFailure("PrometheusRejected", "the query was refused")),
    }


async def _problem(query: str, failure: LedgerFailure | None = None, *, allowed: bool = True) -> str:
    spec = spec_of({"name": "mine", "type": "Query", "query": "up", "max": 1.0})
    gate = cast("QueryGate", spec.gates[0]).model_copy(update={"query": query})  # one that is checked nowhere
    server = PrometheusServer(name="default", url="http://prometheus:9090", allow_queries=allowed)
    ledger = StoredLedger()
    ledger.failure = failure
    request = request_of(spec)
    answer = await QueryAnswers(ledger)._answer(request, server, gate, grid_of(request, 3))
    assert answer.problem is not None
    return f"{answer.problem.reason}: {answer.problem.message}"
