"""The writes of an operator on their way to the API server: of which kind each is, and what befalls it."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.lab import Fault

if TYPE_CHECKING:
    from tests.e2e.support.live_rollout import LiveRollout
    from tests.lab import Exchange, FaultProxy

CONFLICT = b'{"kind":"Status","status":"Failure","reason":"Conflict","message":"the object was modified","code":409}'


def kind_of(exchange: Exchange) -> str:
    """What a write is about: which phase and weight it records, what it makes of the route; "" is spared."""
    if re.search("/leases|/events|/modelrolloutsnapshots", exchange.path):
        return ""
    body: Any = json.loads(exchange.body or b"{}")
    if exchange.path.partition("?")[0].endswith("/status"):
        status = body["status"]
        return f"record {status.get('phase')} {(status.get('step') or {}).get('weight', '')}"
    if "httproutes" in exchange.path:
        if isinstance(body, list):
            return "lower " + ",".join(str(op.get("value")) for op in body if "weight" in op["path"])
        refs = ((body.get("spec") or {}).get("rules") or [{}])[0].get("backendRefs")
        return "claim" if refs is None else "route " + ",".join(f"{r['name']}:{r['weight']}" for r in refs)
    if isinstance(body, list):
        return "finalizer off" if any("/finalizers/" in op["path"] for op in body) else "consume"
    return "finalizer"


class Unlucky:
    """Every kind of write of the route fails three times: refused for a conflict, killed before, the answer lost."""

    def __init__(self, live: LiveRollout, proxy: FaultProxy) -> None:
        self.live, self.seen = live, Counter[str]()
        self.rule = proxy.add(Fault(), method="PUT|PATCH|POST", path="/httproutes", when=self.strikes)

    def strikes(self, exchange: Exchange) -> bool:
        kind = kind_of(exchange)
        self.seen[kind] += 1
        if self.seen[kind] == 1:
            self.rule.fault = Fault(status=409, body=CONFLICT)
        elif self.seen[kind] == 2:
            self.live.operator.process.signal(signal.SIGKILL)
            self.rule.fault = Fault(drop=True)
        else:
            self.rule.fault = Fault(drop_answer=True)
        return self.seen[kind] <= 3
