"""Increments in, evidence out: a function of (line, ticks, history), the same on a prefix as on the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import eprocess
from modelrollout.core.analysis.stats.baseline import Baseline, baseline
from modelrollout.core.analysis.stats.bets import mixture
from modelrollout.core.analysis.stats.joining import Groups, group
from modelrollout.core.analysis.stats.kept.memo import each_tick
from modelrollout.core.analysis.stats.parameters import DEFAULTS, LOG_RISING, MINIMUM_REQUESTS, PASS_ODDS, Settings
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_pass

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index, StableHistory
    from modelrollout.core.analysis.stats.limits import LimitLine


@dataclass(frozen=True)
class CountEvidence:
    """What one test (a line over two arms) knows after each tick. Arrays (..., T) unless said otherwise.

    `log_bad` and `log_good` are log odds (E as 1:E); `log_bad_steps` and `log_good_steps` (R, ..., T) their factors
    per alternative, `weights` and `good_weights` (..., T) the stakes that entered.
    `expected` is stable's rate as known before the tick, `limit` the line at it, `phi` the overdispersion;
    `rare` where 0 bad in enough requests is a PASS; `ticks` the cleaned ticks as they were counted, `first` the first
    of those that each is read with (joining.py), None where each is read alone.
    """

    log_bad: Array
    log_good: Array
    log_bad_steps: Array
    log_good_steps: Array
    weights: Array
    good_weights: Array
    expected: Array
    limit: Array
    phi: Array
    rare: Flags
    ticks: CountTicks
    settings: Settings
    first: Index | None = None

    def rising(self, back: int = 0) -> bool:
        """Whether, `back` ticks ago, some alternative had grown so much that the next scrape may decide."""
        until = self.log_bad_steps.shape[-1] - back
        return (
            bool((mixture.risen(self.log_bad_steps[..., :until])[..., -1:] >= LOG_RISING).any()) if until > 0 else False
        )

    @property
    def passing(self) -> Flags:
        """PASS on this tick's evidence; a FAIL outranks it, and it never latches."""
        flags: Flags = (self.log_good >= np.log(PASS_ODDS)) | self.rare
        return flags

    def began(self, tick: Index) -> Index:
        """Tick (same shape as `tick`, the batch's) at which the bad evidence standing at `tick` started."""
        prior = self.settings.bad_prior
        return self._first_of(mixture.began_at(self.log_bad_steps, self.weights, prior, np.asarray(tick)))

    def good_began(self, tick: Index) -> Index:
        """The same of the good evidence."""
        prior = self.settings.good_prior
        return self._first_of(mixture.began_at(self.log_good_steps, self.good_weights, prior, np.asarray(tick)))

    def _first_of(self, tick: Index) -> Index:
        if self.first is None:
            return tick
        first: Index = np.take_along_axis(self.first, tick[..., None], axis=-1)[..., 0]
        return first


def count_evidence(
    ticks: CountTicks,
    line: LimitLine,
    *,
    history: StableHistory | None = None,
    minimum_requests: float = MINIMUM_REQUESTS,
    settings: Settings = DEFAULTS,
) -> CountEvidence:
    """Both sides of one count test: FAIL against `line`, PASS against `line.good`."""
    clean = ticks.clean()
    if not line.relative:
        base = baseline(clean, history, settings)
        return two_sided((clean, clean), (line, line.good), base, minimum_requests, settings)
    groups = groups_of(clean, settings)
    joined = groups.ticks(clean)
    base = baseline(joined, history, settings)
    found = two_sided((joined, joined), (line, line.good), base, minimum_requests, settings)
    return as_counted(found, (clean, clean), line, minimum_requests, groups)


def groups_of(clean: CountTicks, settings: Settings) -> Groups:
    """Which of the cleaned ticks are read as one."""
    return group(clean.seconds, clean.candidate_total + clean.stable_total, _flags(clean), settings.joined)


def as_counted(
    found: CountEvidence,
    sides: tuple[CountTicks, CountTicks],
    line: LimitLine,
    minimum_requests: float,
    groups: Groups,
) -> CountEvidence:
    """What was found on joined ticks, beside the counts of every tick: what is shown and counted waits for no group."""
    if groups.apart:
        return found
    counted, good = sides
    return replace(found, ticks=counted, rare=rare_pass(good, line, minimum_requests), first=groups.first)


def two_sided(
    sides: tuple[CountTicks, CountTicks],
    lines: tuple[LimitLine, LimitLine],
    base: Baseline,
    minimum_requests: float,
    settings: Settings,
) -> CountEvidence:
    """As count_evidence, where the two sides count different things (latency: other bucket edges).

    `sides` are cleaned ticks and `lines` their nulls, bad side first.
    """
    bad, good = sides
    weights = [
        mixture.stake_weights(bad.seconds, _flags(bad), each) for each in (settings.bad_stakes, settings.good_stakes)
    ]
    steps, odds = [], []
    for side, ticks, null, bets, prior, stakes in zip(
        ("bad", "good"),
        sides,
        lines,
        (settings.bad, settings.good),
        (settings.bad_prior, settings.good_prior),
        weights,
        strict=True,
    ):
        memo = None if settings.memo is None else settings.memo.at(side)
        log_e = each_tick(memo, "factors", partial(_factors, null, bets), (*_counts(ticks), base.rate), (null, bets))
        waiting = null.relative & ~base.seeded
        steps.append(np.where(waiting, 0.0, eprocess.temper(log_e, base.phi)))
        odds.append(mixture.log_mixture(steps[-1], stakes, prior, settings.one_look, settings.leap, memo))
    return CountEvidence(
        log_bad=odds[0],
        log_good=odds[1],
        log_bad_steps=steps[0],
        log_good_steps=steps[1],
        weights=weights[0],
        good_weights=weights[1],
        expected=base.rate,
        limit=lines[0].at(base.rate),
        phi=base.phi,
        rare=rare_pass(good, lines[0], minimum_requests),
        ticks=bad,
        settings=settings,
    )


def _factors(
    null: LimitLine, bets: tuple[float, ...], y_c: Array, n_c: Array, y_s: Array, n_s: Array, rate: Array
) -> Array:
    return eprocess.log_factors((y_c, n_c), (y_s, n_s), rate, null, bets)


def _counts(ticks: CountTicks) -> tuple[Array, Array, Array, Array]:
    return ticks.candidate_bad, ticks.candidate_total, ticks.stable_bad, ticks.stable_total


def _flags(ticks: CountTicks) -> Flags:
    assert ticks.restart is not None, "clean() fills restart"
    return ticks.restart
