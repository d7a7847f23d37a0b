"""Query: the user's own PromQL, read at tick ends; anything but one finite number is no data, never a PASS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modelrollout.api.gates import QueryGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.threshold_check import in_a_row_at_end
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import Answer, GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.wording import in_words
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.promql import fill_template
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.analysis.stats.arrays import Array, Flags
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS, DEADBAND, LOOKS
from modelrollout.core.analysis.stats.threshold_evidence import threshold_evidence
from modelrollout.core.evaluation import EvaluationRequest, GateResult
from modelrollout.core.finding import Finding

Limits = tuple[float | None, float | None]
"""(least, most) that is allowed; None where there is none."""


def query_text(gate: QueryGate, request: EvaluationRequest) -> str:
    """The gate's expression for this candidate; ValueError names an unknown placeholder."""
    values = {
        "version": request.candidate,
        "stable": request.stable,
        "model": request.spec.model.name,
        "namespace": request.namespace,
        "service": request.spec.serving.service_of(request.candidate),
    }
    return fill_template(gate.query, values)


def read_answer(series: Sequence[Series], grid: Grid) -> Answer:
    """The value at every tick end; NaN, and a reason for the newest, where there is not exactly one number."""
    ends = np.round(grid.ends * 1000).astype(np.int64)
    values, how_many = np.full(grid.count, np.nan), np.zeros(grid.count)
    for one in series:
        at = np.searchsorted(ends, one.times)
        inside = at < grid.count
        exact = inside & (ends[np.minimum(at, grid.count - 1)] == one.times)
        values[at[exact]] = one.values[exact]
        how_many[at[exact]] += 1
    newest, number = float(values[-1]), int(how_many[-1])
    problem = None
    if number > 1:
        problem = Finding("SeveralSeries", f"the query returned {number} series; aggregate it to one, e.g. with sum()")
    elif number == 0:
        problem = Finding("EmptyAnswer", "the query returned nothing")
    elif not np.isfinite(newest):
        problem = Finding("NotANumber", f"the query returned {newest}")
    usable = (how_many == 1) & np.isfinite(values)
    return Answer(np.where(usable, values, np.nan), problem)


def judge_query(gate: QueryGate, gate_input: GateInput, _share: float) -> Judged:
    """Three values beyond the limit in a row, or 3 of the last 5, fail; PASS after five values within it."""
    answer = gate_input.answers.get(gate.name)
    if not isinstance(answer, Answer):
        return no_data(gate, Finding("NotAskedYet", "the query has not run yet"))
    low, high = gate.within or (gate.min, gate.max)
    limits = low, high
    since = answer.values[gate_input.step :]
    values = since[~np.isnan(since)]
    if answer.problem is not None:
        return no_data(gate, answer.problem)
    if not len(values):
        return no_data(gate, Finding("TooFewLooks", f"no value since the step started; allowed {_limit(*limits)}"))
    evidence = threshold_evidence(since, low, high)
    beyond = (values > (np.inf if high is None else high)) | (values < (-np.inf if low is None else low))
    fails = bool(evidence.failing[-1]) or in_a_row_at_end(beyond) >= BREACHING_LOOKS
    verdict: Verdict = "FAIL" if fails else "PASS" if bool(evidence.passing[-1]) else "CONTINUE"
    found = GateResult(gate.name, gate.type, verdict, "", required=gate.decides, leaning_bad=bool(beyond[-1]))
    bad = int(evidence.bad[~np.isnan(since)][-LOOKS[1] :].sum()) if bool(evidence.failing[-1]) else None
    return Judged(in_words(found, lambda: _told(found, values, beyond, limits, bad)))


def _told(found: GateResult, values: Array, beyond: Flags, limits: Limits, bad: int | None) -> GateResult:
    """With its sentence; `bad`: how many of the last evaluations failed, where that is why."""
    left = max(LOOKS[1] - len(values), 0)
    more = f"{left} more evaluation{'' if left == 1 else 's'}"
    why = {
        "FAIL": f"beyond the limit in {in_a_row_at_end(beyond)} evaluations in a row"
        if bad is None
        else f"beyond the limit in {bad} of the last {min(len(values), LOOKS[1])} evaluations",
        "PASS": f"within the limit, give or take {say.percent(DEADBAND)} of it" if beyond[-1] else "within the limit",
        "CONTINUE": f"needs {more}" if left else "not settled within the limit yet",
    }[found.verdict]
    observed, limit = _shown(float(values[-1]), limits), _limit(*limits)
    return replace(
        found,
        message=f"value {observed}; allowed {limit}. {say.sentence(why)}",
        observed=observed,
        limit=limit,
        samples=say.counted(len(values), "evaluation"),
        eta=f"needs {more}" if found.verdict == "CONTINUE" and left else None,
    )


def _shown(value: float, limits: Limits) -> str:
    """The value with as many figures as show on which side of its limits it lies."""
    known = [one for one in limits if one is not None]
    for figures in range(6, 18):
        text = f"{value:.{figures}g}"
        if all((float(text) > one) == (value > one) and (float(text) < one) == (value < one) for one in known):
            return text
    return repr(value)


def _limit(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{_exact(low)} to {_exact(high)}"
    return f">= {_exact(low)}" if low is not None else f"<= {_exact(high)}"


def _exact(limit: float | None) -> str:
    """As `:g`, unless that would be another number."""
    text = f"{limit:g}"
    return text if limit is None or float(text) == limit else repr(limit)


DEFINITION = GateDefinition(
    model=QueryGate, series=always(), family="windows", judge=judge_query, source=lambda *_: None
)
