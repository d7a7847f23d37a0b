"""What becomes of a gate that nobody here can judge: a default one is left out and named, a user's own is refused.

What was judged stands: only a gate without data is said to be without a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelrollout.api.gates import Gate
from modelrollout.core import reasons
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.registry import definition_of, every_default, gates_in_force
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding

_UNSEEN = ("NO_DATA", "NOT_COMPARABLE")


def with_source(gate: Gate, judged: Judged, gate_input: GateInput) -> Judged:
    """`judged` with the source that it rests on; or, without any data, with why there never will be.

    A default gate that could be judged once in this rollout is never left out: its series are missing. What nobody has
    exported yet is awaited, not missing.
    """
    request = gate_input.request
    is_default, known = not request.spec.gates, gate.name in (request.default_gates or ())
    definition = definition_of(gate)
    result = replace(judged.result, source=definition.source_of(gate, gate_input))
    found = definition.unjudgeable_by(gate, gate_input) if result.verdict in _UNSEEN and not known else None
    if found is None:
        awaited = not known and result.verdict in _UNSEEN and not definition.exported_to(gate, gate_input)
        return replace(judged, result=result, missing=0 if awaited else judged.missing)
    result = replace(
        result,
        verdict="NO_DATA",
        message=f"{found.reason}: {found.message}",
        required=result.required and not is_default,
        source=None,
        unjudgeable=True,
        left_out=is_default,
    )
    return Judged(result)


def not_in_force(names: Sequence[str], gate_input: GateInput) -> tuple[GateResult, ...]:
    """The default gates that are not among the `names`, as people read them: named, and why."""
    found = []
    for gate in gates_in_force((), [name for name in every_default() if name not in names]):
        why = definition_of(gate).unjudgeable_by(gate, gate_input)
        assert why is not None, "whatever is not proven to be absent is in force"
        said = f"{why.reason}: {why.message}"
        found.append(GateResult(gate.name, gate.type, "NO_DATA", said, required=False, unjudgeable=True, left_out=True))
    return tuple(found)


def nothing_to_judge(judged: Sequence[Judged], gate_input: GateInput) -> Finding | None:
    """Why no required gate can say anything here; None where at least one can, or may be able to yet."""
    able = [one for one in judged if one.result.required and not one.result.unjudgeable]
    unable = [one for one in judged if one.result.unjudgeable]
    if unable and not able:
        text = "none of the gates can be judged here, and nothing is promoted without evidence"
        return Finding(reasons.NOTHING_TO_JUDGE, f"{text}: {_each(unable)}")
    if gate_input.scrapes == 0 and not gate_input.table.sampled:
        request = gate_input.request
        text = (
            f"Prometheus has no series of model {request.spec.model.name} in versions {request.stable} and "
            f"{request.candidate}, nor of this route at its gateway: have it scrape one of them, with the labels that "
            f"the matchers of the server {request.spec.analysis.prometheus!r} and serving.arm ask for"
        )
        return Finding(reasons.NOTHING_TO_JUDGE, text)
    return None


def _each(judged: Sequence[Judged]) -> str:
    return "; ".join(f"{one.result.name}: {one.result.message}" for one in judged[:3])
