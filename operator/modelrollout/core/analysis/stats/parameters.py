"""Every number the decision engine rests on has a name here and nowhere else.

Times in seconds, shares as fractions. What they buy is measured in docs/decision-quality.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from modelrollout.core.analysis.stats.kept.memo import Memo

FALSE_ROLLBACK = 0.05
"""The promise: probability of rolling back a candidate that is within its limits."""
COUNT_PART = 0.8
"""Of the promise, the part of all count gates together; the rest belongs to window and gauge gates."""
REFUSED_PART = 0.2
"""Of an ErrorRate gate's part, what its test of refused requests gets; the rest belongs to its errors."""
PASS_ODDS = 20.0
"""Good-side evidence at which a gate passes."""
NOTHING = 1e-9
"""Log evidence within this of 0 is rounding: no evidence."""

HALF_LIFE = 600.0
"""Of stable's decayed sums, from which the expected rate comes."""
HISTORY = 1800.0
"""How much of stable before the candidate seeds the expected rate."""
SEED_TICKS = 2
SEED_REQUESTS = 200
"""Without history, so many ticks with stable requests, or so many requests, only seed and carry no evidence."""
JOIN_REQUESTS = 20
JOIN_LONGEST = 120.0
"""Ticks are read as one until both versions together have so many requests, or for so many seconds."""

DISPERSION_BLOCK = 15.0
"""Bursts are looked for in stretches of so many seconds: shorter ones show there too, and finer ticks hide longer."""
DISPERSION_SIGMAS = 1.64
"""Stable's scatter counts as bursts where it is so many standard errors beyond what chance gives."""
DISPERSION_TAIL = 1.5
"""Of bursts that were found, the excess counts so much: their tails are longer than a tempered binomial's."""

BAD_ALTERNATIVES = (1.6, 2.5, 4.0, 7.0)
BAD_PRIOR = (0.1, 0.12, 0.45, 0.33)
GOOD_ALTERNATIVES = (0.25, 0.5, 0.7, 0.85)
GOOD_PRIOR = (0.25, 0.25, 0.25, 0.25)
"""Hypotheses that are bet on, as multiples of the line, and the part of every stake that each gets."""
TOP_RATE = 0.97
"""No alternative is above this; one that this pushes below the line is skipped."""
LOG_ONE_LOOK = math.log(20.0)
"""No single tick takes the odds beyond this, from however little: less than what all tests together need (25)."""
LOG_LEAP = math.log(40.0)
"""Odds that are higher already grow by no more than this in one tick: the second of two bad ones reaches 600:1."""
LOG_RISING = math.log(8.0)
"""Where some alternative has grown so much since some tick, stakes left aside, the next look comes sooner."""
LOG_FLOOR = -690.0
"""The least one tick may say; adds less than 1e-299 to the expectation and keeps sums finite."""

STAKE_SPAN = 5400.0
STAKE_WITHIN = 0.85
"""So much of what is staked on a later change is spread evenly over so many seconds; then it thins out."""


@dataclass(frozen=True)
class Stakes:
    """How the stake of 1 is spread over the moments at which a candidate may turn bad (or good): at most 1 in sum.

    `first` at the first tick; `steps` over the changes of weight, the k-th with 1/(k (k + 1)) of it; `later` over time.
    """

    first: float
    steps: float
    later: float


BAD_STAKES = Stakes(first=0.5, steps=0.03, later=0.47)
GOOD_STAKES = Stakes(first=0.5, steps=0.05, later=0.45)

MINIMUM_REQUESTS = 200
RARE_REQUESTS_CAP = 3000
RARE_BOUND = 3.0
"""0 bad in n bounds the rate by RARE_BOUND / n with 95 % confidence (the rule of three)."""
LOWEST_LIMIT = 1e-9
"""An absolute limit of 0 is tested as this, since no bet can be a multiple of 0."""

SEQUENCE_TUNING = 10.0
"""v of the normal-mixture sequence: tightest when about this many windows are in."""
BURN_IN = 3
STABLE_WINDOWS = 100
"""No sequence FAIL before stable has given this many windows (10 give 12 % false alarms, 100 give 0.6 %)."""
EARLY_STABLE = 10
"""Shares of zeros and negatives may fail from so many of stable's batches on: until it has STABLE_WINDOWS, with the
widest spread that so few leave possible (early_spread)."""
EARLY_SPREAD = 0.02
"""Of a batch's share, at the least, until then: few batches may all have missed a rare kind of request."""
PASS_WINDOWS = 10
CEILING = 2.0
CEILING_WINDOWS = 2
BATCH_TICKS = 4
HOLD_OF = (3, 5)
"""So many of the last so many windows above the line: hold, never roll back."""

LOSS = 0.20
"""Share of a layer's units whose loss is found in LOSS_WINDOWS windows, wherever a margin was learned."""
LOSS_UNITS = 3
"""A loss is at least so many units, however small the layer."""
LOSS_WINDOWS = 20
LOSS_SIGMAS = 2.5
"""Standard errors of the candidate's mean that are left for chance within LOSS_WINDOWS."""
PAST_VERSIONS = 3
"""So many promoted versions, measured alike, make a margin of their own."""
PAST_PRIOR = 4.0
"""Versions that the prior spread (units that die independently) is worth."""
PAST_OVERDISPERSION = 1.3
"""Of the prior: retrains on record vary by so much more than independent units would."""
PAST_SIGMAS = 4.0
UNLEARNED_SIGMAS = 2.6
"""Of the prior spread alone: what a small layer's retrain may lie above stable before anything is learned."""
PAST_LEAST = 0.10
"""A learned margin is never less than this, or LOSS_UNITS units, above the versions' mean."""

BREACHING_LOOKS = 3
"""Threshold gates of counts and windows: so many looks beyond the limit in a row fail."""
FEW_WINDOWS = 3
"""Threshold: windows of the candidate in this step before it may pass."""
LOOKS = (3, 5)
ROUNDING = 1e-12
"""Two shares that differ by less are equal: only the order of additions made them differ."""
DEADBAND = 0.05
"""Threshold gates: m of n looks; within this share of the limit around it a look keeps the last answer."""

CHANCE_RATIO = 1.25
"""So many times stable's share may a version that is equally good show for a while, by chance alone."""
GOOD_EXCEEDANCE = 1.25
"""Latency against stable: a PASS excludes so many times the share that may lie beyond the allowed edge, where whole
buckets hardly change that share (outliers far beyond all): equal versions must be told from worse ones there too."""
TOO_COARSE = 1.25
"""Buckets that grow by more make a relative latency gate too coarse."""

MOST_LOST = 0.5
"""Beyond this share of observations or answers that telemetry could not use, the others are no sample: no PASS."""
SOME_LOST = 0.05
"""Beyond this share people are warned. Two versions whose shares differ by at most this much lose alike."""

BURN_LIMIT = 2.0
BURN_LONG = 1800.0
BURN_SHORT = 300.0
BURN_EVENTS = 5
MISSING_TICKS = 3
"""So many ticks without data in a row: MetricsUnavailable."""


@dataclass(frozen=True)
class Settings:
    """The knobs of one count test: evidence is a function of these, the line and the ticks."""

    half_life: float = HALF_LIFE
    seed_ticks: int = SEED_TICKS
    one_look: float = LOG_ONE_LOOK
    leap: float = LOG_LEAP
    bad: tuple[float, ...] = BAD_ALTERNATIVES
    bad_prior: tuple[float, ...] = BAD_PRIOR
    bad_stakes: Stakes = BAD_STAKES
    good: tuple[float, ...] = GOOD_ALTERNATIVES
    good_prior: tuple[float, ...] = GOOD_PRIOR
    good_stakes: Stakes = GOOD_STAKES
    joined: float = JOIN_REQUESTS
    dispersion: bool = True
    """Whether evidence is tempered by stable's own overdispersion."""
    memo: Memo | None = field(default=None, compare=False, repr=False)
    """What is taken over from the evaluation before: no part of the evidence."""


DEFAULTS = Settings()
SLOWER = Settings(bad_prior=(0.2, 0.4, 0.3, 0.1))
"""Of latency: a share of a tenth over stable's edge can only grow a few times."""
WIDE_PART = 0.7
"""Of the stake against a slow candidate, what is bet on the wider quantile: it sees a shift of everything sooner."""
