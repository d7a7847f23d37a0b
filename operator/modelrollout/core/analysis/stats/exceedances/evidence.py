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
from modelrollout.core.analysis.stats.limits import EXCEEDANCE, absolute
from modelrollout.core.analysis.stats.parameters import GOOD_EXCEEDANCE
from modelrollout.core.analysis.stats.rule_of_three import rare_pass

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

    within = sure(log_within(candidate, stable, base.rate, floor, settings.bad))
    above = sure(log_above_floor(candidate, base.rate, floor, settings.bad))
    limit = np.maximum(base.rate, floor)
    wide = GOOD_EXCEEDANCE * stable_beyond > limit
    beyond = log_beyond(*_arms(good), base.rate, floor, EXCEEDANCE.ratio, settings.good)
    if wide.any():
        beyond = np.where(wide, log_beyond(*_arms(good), base.rate, floor, GOOD_EXCEEDANCE, settings.good), beyond)
    in_favour = sure(beyond)
    bounds = settings.one_look, settings.leap
    found = CountEvidence(
        log_bad=np.minimum(
            mixture.log_mixture(within, stakes[0], settings.bad_prior, *bounds),
            mixture.log_mixture(above, stakes[0], settings.bad_prior, *bounds),
        ),
        log_good=mixture.log_mixture(in_favour, stakes[1], settings.good_prior, *bounds),
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


def _arms(ticks: CountTicks) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    return (ticks.candidate_bad, ticks.candidate_total), (ticks.stable_bad, ticks.stable_total)
