"""Evidence on the share beyond an edge, tick by tick: count_evidence with a floor under what is allowed.

Against the candidate speaks the smaller of two products. Each is fair under its own null in every tick, so their
minimum is fair under both: where the candidate is no worse than stable, and where it never exceeds the floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import eprocess
from modelrollout.core.analysis.stats.bets import mixture
from modelrollout.core.analysis.stats.count_evidence import CountEvidence
from modelrollout.core.analysis.stats.exceedances.factors import log_above_floor, log_beyond, log_within
from modelrollout.core.analysis.stats.kept.memo import Memo, each_tick
from modelrollout.core.analysis.stats.limits import EXCEEDANCE, absolute
from modelrollout.core.analysis.stats.parameters import GOOD_EXCEEDANCE
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_pass

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks
    from modelrollout.core.analysis.stats.baseline import Baseline
    from modelrollout.core.analysis.stats.parameters import Settings


def exceedance_evidence(
    sides: tuple[CountTicks, CountTicks],
    floor: float,
    base: Baseline,
    stable_beyond: Array,
    minimum_requests: float,
    settings: Settings,
) -> tuple[CountEvidence, Array]:
    """Evidence against the candidate's share beyond the allowed edge, and for that beyond the good one.

    `sides` are cleaned ticks, the bad side's edge first; `base` is stable beyond its own edge and `stable_beyond` its
    expected share beyond the good one. Second: how many times the line a PASS excludes, (..., T).
    """
    bad, good = sides
    assert bad.restart is not None, "clean() fills restart"
    stakes = [
        mixture.stake_weights(bad.seconds, bad.restart, each) for each in (settings.bad_stakes, settings.good_stakes)
    ]
    candidate, stable = _arms(bad)

    def sure(log_e: Array) -> Array:
        return np.where(base.seeded, eprocess.temper(log_e, base.phi), 0.0)

    memo, fixed = settings.memo, (floor, settings.bad, settings.good)

    def within_of(y_c: Array, n_c: Array, y_s: Array, n_s: Array, rate: Array) -> Array:
        return log_within((y_c, n_c), (y_s, n_s), rate, floor, settings.bad)

    def beyond_of(ratio: float) -> Array:
        def work(y_c: Array, n_c: Array, y_s: Array, n_s: Array, rate: Array) -> Array:
            return log_beyond((y_c, n_c), (y_s, n_s), rate, floor, ratio, settings.good)

        (y_c, n_c), (y_s, n_s) = _arms(good)
        return each_tick(memo, ("beyond", ratio), work, (y_c, n_c, y_s, n_s, base.rate), fixed)

    within = sure(each_tick(memo, "within", within_of, (*candidate, *stable, base.rate), fixed))
    above = sure(log_above_floor(candidate, base.rate, floor, settings.bad))
    limit = np.maximum(base.rate, floor)
    wide = GOOD_EXCEEDANCE * stable_beyond > limit
    beyond = beyond_of(EXCEEDANCE.ratio)
    if wide.any():
        beyond = np.where(wide, beyond_of(GOOD_EXCEEDANCE), beyond)
    in_favour = sure(beyond)
    bounds = settings.one_look, settings.leap
    found = CountEvidence(
        log_bad=np.minimum(
            mixture.log_mixture(within, stakes[0], settings.bad_prior, *bounds, _part(memo, "within")),
            mixture.log_mixture(above, stakes[0], settings.bad_prior, *bounds, _part(memo, "above")),
        ),
        log_good=mixture.log_mixture(in_favour, stakes[1], settings.good_prior, *bounds, _part(memo, "in favour")),
        log_bad_steps=within,
        log_good_steps=in_favour,
        weights=stakes[0],
        good_weights=stakes[1],
        expected=base.rate,
        limit=limit,
        phi=base.phi,
        rare=rare_pass(good, absolute(floor), minimum_requests),
        ticks=bad,
        settings=settings,
    )
    return found, np.where(wide, GOOD_EXCEEDANCE, EXCEEDANCE.ratio)


def _part(memo: Memo | None, name: str) -> Memo | None:
    return None if memo is None else memo.at(name)


def _arms(ticks: CountTicks) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    return (ticks.candidate_bad, ticks.candidate_total), (ticks.stable_bad, ticks.stable_total)
