"""Plain comparison on the samples since the step started: three breaches in a row fail, one within passes."""

from __future__ import annotations

import numpy as np

from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing, frozen_line
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats.arrays import Flags
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS, ROUNDING


def by_threshold(test: CountTest, gate_input: GateInput) -> Standing:
    """Plain comparison on the samples since the step started; three breaches in a row fail."""
    first, least = gate_input.step, gate_input.request.spec.analysis.minimum_requests
    t, part = test.ticks, slice(first, None)
    bad, total = np.cumsum(t.candidate_bad[part]), np.cumsum(t.candidate_total[part])
    line, stable_bad, stable_total = test.line, np.cumsum(t.stable_bad[part]), np.cumsum(t.stable_total[part])
    frozen = gate_input.bake is not None and line.relative
    if frozen:
        line = frozen_line(test, gate_input) or line
    known = stable_total > 0
    stable = np.where(known, stable_bad / np.where(known, stable_total, 1.0), np.nan)
    limits = line.at(stable) if line.relative else np.full(len(bad), line.plus)
    judged = (total >= least) & (total > 0) & np.isfinite(limits)
    rates = bad / np.where(total > 0, total, 1.0)
    breach = judged & (rates > limits + ROUNDING)
    looks = judged & (np.asarray(t.candidate_total[part]) > 0)
    in_a_row = in_a_row_at_end(breach[looks])
    now = len(bad) - 1
    if in_a_row >= BREACHING_LOOKS:
        now = int(np.flatnonzero(looks)[-1])  # what failed is shown, not what stable has done since
    n = float(total[now]) if now >= 0 else 0.0
    verdict: Verdict = "CONTINUE"
    if n <= 0 or (line.relative and not known[now]):
        verdict = "NO_DATA"
    elif in_a_row >= BREACHING_LOOKS:
        verdict = "FAIL"
    elif judged[now] and not breach[now]:
        verdict = "PASS"
    return Standing(
        kind=test.kind,
        verdict=verdict,
        rate=float(rates[now]) if n else float("nan"),
        bad=float(bad[now]) if n else 0.0,
        total=n,
        stable_rate=float(stable[now]) if now >= 0 and known[now] else None,
        stable_total=float(stable_total[now]) if now >= 0 else 0.0,
        limit=float(limits[now]) if now >= 0 else float("nan"),
        left=max(least - n, 0.0) or None,
        leaning_bad=bool(n) and bool(rates[now] > limits[now] + ROUNDING),
        looks=in_a_row,
        frozen=frozen and verdict == "FAIL",
        of_the_past=frozen and not line.relative,
    )


def in_a_row_at_end(flags: Flags) -> int:
    """How many of the newest flags are set without a break."""
    clear = np.flatnonzero(~np.asarray(flags, dtype=bool))
    return len(flags) if not len(clear) else len(flags) - 1 - int(clear[-1])
