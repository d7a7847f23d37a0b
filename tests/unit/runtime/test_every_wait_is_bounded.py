"""Nothing in the operator waits without an end: every await of the outside world stands under a timeout."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import modelrollout

ROOT = Path(modelrollout.__file__).parent
LEAVES = {"wait", "call_api", "read", "run_in_executor", "to_thread", "gather", "get", "acquire", "wait_for", "join"}
"""Awaited calls that may wait for another process; what the operator calls of its own ends in one of these."""
BOUNDED_BY = {"timeout", "timeout_at", "_request_timeout"}
SAFE = {
    ("crew.py", "run_in_executor"): "arithmetic on samples in memory, whose number is bounded",
    ("endpoint.py", "to_thread"): "text out of numbers in memory",
    ("crew.py", "to_thread"): "arithmetic on samples in memory, whose number is bounded",
    ("past.py", "gather"): "of the ledger's calls, each of which has its server's timeout",
    ("query_answers.py", "gather"): "of the ledger's calls, each of which has its server's timeout",
    ("ledger.py", "gather"): "of queries, each of which has its server's timeout",
    ("store.py", "to_thread"): "the report's: arithmetic on samples in memory, under the timeout of read_seen()",
    ("gather.py", "gather"): "of calls of Api",
    ("server.py", "to_thread"): "drawing of numbers in memory, whose number is bounded",
    ("server.py", "wait"): "the live page is served until it is stopped",
    ("live.py", "gather"): "of two calls of Api",
    ("cluster.py", "gather"): "of calls of Api",
    ("release.py", "gather"): "of releases, each of which has a timeout of its own",
    ("protocols.py", "gather"): "of one call for each form of a route, each of which ends in calls of Api",
    ("run.py", "acquire"): "the standby's whole work is to wait for the Lease",
    ("run.py", "wait"): "a leading operator's whole work lasts until it is stopped",
    ("resolving.py", "run_in_executor"): "under its caller's timeout, in a thread of the system's own",
    ("service.py", "wait"): "the prober's whole work lasts until it is stopped",
    ("service.py", "gather"): "of tasks just cancelled",
    ("readiness.py", "gather"): "under the timeout of the caller, probe(), which names its seconds",
    ("readiness.py", "read"): "under the session's total timeout",
    ("replay.py", "acquire"): "of places that are given back by rows, each of which has the pre-flight's timeout",
    ("replay.py", "gather"): "of one row's two questions, each of which has the pre-flight's timeout",
    ("reports.py", "read"): "one call of Api",
    ("service.py", "read"): "one call of Api",
    ("probing.py", "read"): "one call of Api",
    ("watch.py", "read"): "one call of Api",
    ("runs.py", "to_thread"): "of arrays in memory, whose size is bounded, or of a process that is ended after 20 s",
    ("postmortems.py", "run_in_executor"): "arithmetic on samples in memory, whose number is bounded",
}


@pytest.mark.slow
def test_every_await_of_the_outside_is_under_a_timeout_or_named_with_the_reason_why_not():
    found = {(path.name, leaf, line) for path in sorted(ROOT.rglob("*.py")) for leaf, line in unbounded(path)}
    unknown = {each for each in found if each[:2] not in SAFE}
    assert unknown == set(), "put it under asyncio.timeout, or name it in SAFE with its reason"


def test_the_audit_finds_a_wait_without_a_timeout(tmp_path: Path):
    file = tmp_path / "bad.py"
    file.write_text("async def one(event):\n    await event.wait()\n")
    assert unbounded(file) == [("wait", 2)]
    file.write_text("async def one(event):\n    async with asyncio.timeout(3):\n        await event.wait()\n")
    assert unbounded(file) == []


def unbounded(path: Path) -> list[tuple[str, int]]:
    """(what is called, line) of every awaited leaf that no `timeout` surrounds and none is passed to."""
    seen: list[tuple[str, int]] = []
    text = path.read_text()
    if "await" in text:
        _visit(ast.parse(text), bounded=False, seen=seen)
    return seen


def _visit(node: ast.AST, *, bounded: bool, seen: list[tuple[str, int]]) -> None:
    if isinstance(node, ast.AsyncWith):
        bounded = bounded or any("timeout" in ast.unparse(item.context_expr) for item in node.items)
    if isinstance(node, ast.Await) and isinstance(node.value, ast.Call) and not bounded:
        name = node.value.func.attr if isinstance(node.value.func, ast.Attribute) else ""
        limited = any(word.arg in BOUNDED_BY for word in node.value.keywords) or _is_ours(node.value)
        if name in LEAVES and not limited:
            seen.append((name, node.lineno))
    for child in ast.iter_child_nodes(node):
        _visit(child, bounded=bounded, seen=seen)


def _is_ours(call: ast.Call) -> bool:
    """A call of Api or the ObjectStore, every one of which ends in Api.request and its timeout."""
    owner = ast.unparse(call.func).rpartition(".")[0]
    return owner.split(".")[-1] in {"_api", "api", "store"}
