"""What is said when the operator itself fails, or when its status is not taken: traffic has been lowered by then."""

from __future__ import annotations

from typing import Any
from unittest import mock

from modelrollout.core.analysis.gates.definition import GateDefinition
from modelrollout.core.rollout import conditions, decide
from modelrollout.ports import Unreachable
from tests.golden.gates import shown
from tests.golden.process.local import logged
from tests.unit.analysis.recorded import gateway, look, request_of, spec_of
from tests.unit.borders.cluster import Rollout, at_25_percent
from tests.unit.borders.test_whatever_comes_in_traffic_is_lowered import TRIGGERS


def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a defect of the operator")


async def _status_of(rollout: Rollout) -> str:
    """The log of a pass, and the status after it."""
    with logged() as lines:
        await rollout.run()
    status = rollout.status
    end = f"{status['phase']}, {status['reason']}: {status['message']}"
    return "\n".join([*lines, f"the candidate has {rollout.weight} %", end])


async def _during_an_abort() -> str:
    rollout = at_25_percent()
    TRIGGERS["abort"](rollout, "text")
    with mock.patch.object(conditions, "merge", _broken):
        return await _status_of(rollout)


async def _in_a_step() -> str:
    with mock.patch.object(decide, "account", _broken):
        return await _status_of(at_25_percent())


async def _in_a_gate() -> str:
    request, failing = request_of(spec_of({"name": "errors", "type": "ErrorRate"})), (20.0, 10.0)
    with mock.patch.object(GateDefinition, "judged", _broken):
        found = await look(request, 300, gateway(300, stable=(20.0, 0.0), candidate=failing))
    return shown(found.gates[0])


async def _a_status_is_refused() -> str:
    rollout = at_25_percent()
    TRIGGERS["abort"](rollout, "text")

    def refuse(_method: str, path: str, body: Any) -> None:
        if path.endswith("/status") and body["status"]["history"][-1]["message"]:
            raise Unreachable("ApiInvalid", "status.history[1].message: Too long")

    rollout.api.refuse = refuse
    return await _status_of(rollout)


async def texts() -> dict[str, str]:
    """By what goes wrong."""
    return {
        "a defect during an abort": await _during_an_abort(),
        "a defect in a step": await _in_a_step(),
        "a defect in a gate": await _in_a_gate(),
        "the API server takes no long status": await _a_status_is_refused(),
    }
