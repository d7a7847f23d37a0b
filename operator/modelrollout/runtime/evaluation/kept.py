"""What one rollout's evaluations have in common is worked out once; now and then it is worked out again and compared.

An evaluation is a function of spec, status and samples. What is kept here only saves the work of the evaluations before
(metrics/blocks/running.py), and is empty in a new process: that comes to the same verdict from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.gates.gate_input import Answer, Told
from modelrollout.core.analysis.metrics.blocks.running import Running
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from modelrollout.runtime.evaluation.question import judge

CHECK_EVERY = 240
"""Evaluations of one rollout, an hour of them at the default interval: the next is made from scratch as well.

So is the one by which the weight may be raised, when everything has been read again for it."""


@dataclass
class Kept:
    """Of one rollout; not to be used by two threads at once."""

    running: Running = field(default_factory=Running)
    bytes: int = 0
    """About what is held in memory."""
    _unchecked: int = 0

    def check_next(self) -> None:
        """Have the next evaluation compared."""
        self._unchecked = CHECK_EVERY

    def judged(
        self,
        request: EvaluationRequest,
        stores: Sequence[SampleStore],
        server: PrometheusServer,
        look: int,
        answers: Mapping[str, Answer | Told],
        now: float,
        cuts: int,
    ) -> tuple[Evaluation, bool]:
        """All gates at `look`, and whether that is as from scratch, as far as it was looked at."""
        found = judge(request, stores, server, look, answers, now, cuts, self.running)
        self.bytes = self.running.bytes
        self._unchecked += 1
        if self._unchecked <= CHECK_EVERY:
            return found, True
        self._unchecked = 0
        whole = judge(request, stores, server, look, answers, now, cuts)
        if whole == found:
            return found, True
        self.forget()
        return whole, False

    def forget(self) -> None:
        """Begin from scratch the next time."""
        self.running, self.bytes = Running(), 0
