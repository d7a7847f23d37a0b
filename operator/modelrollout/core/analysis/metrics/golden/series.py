"""The prober's series of one run, and what each counts; in a pre-flight nothing else speaks of requests and answers.

They have names of their own, so that no later step mistakes a golden set for users. The run's name is a label: what an
earlier run counted, or another rollout's, is not read.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.edges import LABEL, canonical_edge
from modelrollout.core.analysis.metrics.promql import quoted, selector

if TYPE_CHECKING:
    from modelrollout.core.analysis.metrics.model_series import Arm, Selection
    from modelrollout.core.evaluation import EvaluationRequest

PREFIX = "modelrollout_preflight_"
ANSWERS = "answers"
"""What the layer is called that the answers are taken for, beside those that the models report themselves."""
ROLES: Mapping[str, str] = {
    PREFIX + "requests_total": s.REQUESTS,
    PREFIX + "errors_total": s.REQUEST_ERRORS,
    PREFIX + "duration_seconds_bucket": s.DURATION,
    PREFIX + "judged_total": s.EVALS,
    PREFIX + "right_total": s.CORRECT,
    PREFIX + "answers_total": s.SAMPLES,
    PREFIX + "nonfinite_answers_total": s.NONFINITE,
}
"""Each of the prober's metrics, and the metric of the models that it is read as."""
OF_ANSWERS = frozenset({s.SAMPLES, s.NONFINITE})
LEFT_OUT = frozenset({*s.COUNTED, s.DURATION, s.TRITON_DURATION, s.EVALS, s.CORRECT, s.EVALS_LOST})
"""What the models count of requests and labels themselves: users are among it, at stable alone."""
AS_LABELS = {"golden": "labels"}
"""Whatever source of labels a gate names for users, here the golden set has them."""


def golden_selection(request: EvaluationRequest, matchers: str) -> Selection:
    """The prober's series of this run; `matchers`: which targets may speak for the prober."""
    versions = "|".join(request.version_of(arm) for arm in s.ARMS)
    arms = [f"run={quoted(request.preflight)}", f"version=~{quoted(versions)}"]
    return s.Selection("preflight", selector(frozenset(ROLES), arms, matchers))


class GoldenReader:
    """Tells what a series of the prober counts."""

    def __init__(self, request: EvaluationRequest) -> None:
        self._run = request.preflight
        self._arms: dict[str, Arm] = {request.version_of(arm): arm for arm in s.ARMS}

    @property
    def key(self) -> Hashable:
        return self._run, tuple(self._arms)

    def channel(self, labels: Mapping[str, str]) -> tuple[str, Arm, str, str] | None:
        """(metric, arm, layer, detail), or None where it is another run's."""
        metric = ROLES.get(labels.get("__name__", ""))
        arm = self._arms.get(labels.get("version", ""))
        if metric is None or arm is None or labels.get("run") != self._run:
            return None
        text = labels.get(s.DETAIL.get(metric, ""), "")
        detail = canonical_edge(text) if s.DETAIL.get(metric) == LABEL else AS_LABELS.get(text, text)
        return None if detail is None else (metric, arm, ANSWERS if metric in OF_ANSWERS else "", detail)


def is_probers(labels: Mapping[str, str] | tuple[tuple[str, str], ...]) -> bool:
    """Whether the prober counted it: then its target is no address of a model."""
    return dict(labels).get("__name__", "").startswith(PREFIX)
