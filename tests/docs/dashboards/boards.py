"""What the three dashboards show: for who answers for the product, for who is on call, for who looks for a cause."""

from __future__ import annotations

from tests.docs.dashboards.panels import THIRD, WHOLE, Ask, Board, Shown, chosen, typed
from tests.docs.dashboards.queries import (
    MODEL,
    Role,
    distribution,
    gate_limit,
    of,
    quantile,
    rate,
    rollout,
    share,
    share_of,
)

VERSION = "version {{version}}"
_CORRECT, _JUDGED, _LABELS = "model_eval_correct_total", "model_eval_total", 'source!="shadow"'
_ERRORS, _REQUESTS = "model_request_errors_total", "model_requests_total"
_PRICE = "$price * count by (version) (count by (version, instance) (model_requests_total{%s})) / 3600 / (%s > 0)"
_ENDED = "modelrollout_rollout_last_end_timestamp_seconds"
AGAINST = 'side="against"'
_ROLES: tuple[Role, ...] = ("stable", "candidate")

WEIGHTS = Shown(
    "Traffic share of the candidate",
    "percent",
    "Percent of requests: what the operator wants, and what the route says.",
    (
        Ask(
            f"max by (namespace, rollout) ({rollout('modelrollout_rollout_weight_desired_percent')})",
            "{{rollout}} wanted",
        ),
        Ask(
            f"max by (namespace, rollout) ({rollout('modelrollout_rollout_weight_observed_percent')})",
            "{{rollout}} on the route",
        ),
    ),
    most=100,
)
ACCURACY = Shown(
    "Accuracy by version",
    "percentunit",
    "Right answers among those that were judged by labels or a golden set.",
    (Ask(share(_CORRECT, _JUDGED, "version", _LABELS), VERSION),),
)
ODDS = Shown(
    "Odds against the candidate, and where a gate fails",
    "short",
    "To 1. A gate fails when its line reaches the one of the same name that it needs.",
    (
        Ask(f"max by (rollout, gate) ({rollout('modelrollout_gate_odds', AGAINST)})", "{{gate}}"),
        Ask(f"max by (rollout, gate) ({rollout('modelrollout_gate_odds_needed', AGAINST)})", "{{gate}} needed"),
    ),
    log=True,
)

EXECUTIVE = Board(
    "modelrollout-executive",
    "Model rollouts: in short",
    "Is what users get as good as before, what does it cost, and what happened to new versions.",
    (
        ACCURACY,
        Shown(
            "Candidate's accuracy less stable's",
            "percentunit",
            "Below 0 the candidate is worse; empty while none is tried.",
            (
                Ask(
                    " - ".join(f"({share_of(role, _CORRECT, _JUDGED, _LABELS)})" for role in _ROLES[::-1]), "difference"
                ),
            ),
        ),
        Shown(
            "Error budget burn of the stable version",
            "short",
            "Share of errors over the gate's limit, or over the one typed above: at 1 the budget lasts.",
            (
                Ask(
                    f"({share_of('stable', _ERRORS, _REQUESTS)})"
                    f" / scalar({gate_limit('ErrorRate')} or vector($error_limit))",
                    "burn",
                ),
            ),
        ),
        Shown(
            "Cost per 1,000 inferences",
            "short",
            "In the currency of the price of one model server per hour, typed above: servers that answer, by version.",
            (
                Ask(
                    f"1000 * {_PRICE % (MODEL, rate(_REQUESTS, 'version'))}",
                    VERSION,
                ),
            ),
        ),
        WEIGHTS,
        Shown(
            "Where rollouts stand",
            "short",
            "Phase and version of each.",
            (Ask(f"max by (namespace, rollout, phase) ({rollout('modelrollout_rollout_phase')} == 1)"),),
            "table",
        ),
        Shown(
            "How the last rollouts ended",
            "dateTimeFromNow",
            "When, with result and reason.",
            (
                Ask(
                    f"1000 * max by (rollout, result, reason) ({rollout(_ENDED)})",
                    "{{rollout}} {{result}}: {{reason}}",
                ),
            ),
            "stat",
        ),
    ),
    (typed("price", "Price of a model server per hour", "1"), typed("error_limit", "Limit of errors (share)", "0.01")),
)

ON_CALL = Board(
    "modelrollout-on-call",
    "Model rollouts: on call",
    "What is failing, since when, in which version and layer, and what the operator does about it.",
    (
        Shown(
            "P95 and P99 inside the model",
            "s",
            "By version; the limit is the gate's, where its spec has a plain one.",
            (
                Ask(quantile(0.95), f"P95 {VERSION}"),
                Ask(quantile(0.99), f"P99 {VERSION}"),
                Ask(gate_limit("Latency"), "limit"),
            ),
        ),
        Shown(
            "Errors",
            "percentunit",
            "Share of requests that the model answered with an error.",
            (Ask(share(_ERRORS, _REQUESTS, "version"), VERSION), Ask(gate_limit("ErrorRate"), "limit")),
        ),
        Shown(
            "NaN and Inf",
            "cps",
            "Values a second that are not finite, by version and layer: always 0 in a healthy model.",
            (
                Ask(
                    rate("model_activation_nonfinite_elements_total", "version, layer, kind"),
                    "{{version}} {{layer}} {{kind}}",
                ),
            ),
        ),
        WEIGHTS,
        Shown(
            "Rollouts now",
            "short",
            "Phase of each.",
            (Ask(f"max by (namespace, rollout, phase) ({rollout('modelrollout_rollout_phase')} == 1)"),),
            "table",
            THIRD,
        ),
        Shown(
            "Why",
            "short",
            "The reason of each; kubectl modelrollout explain REASON says more.",
            (Ask(f"max by (namespace, rollout, reason) ({rollout('modelrollout_rollout_reason')} == 1)"),),
            "table",
            THIRD,
        ),
        Shown(
            "Gates",
            "short",
            "The verdict of each gate.",
            (Ask(f"max by (rollout, gate, required, verdict) ({rollout('modelrollout_gate_verdict')} == 1)"),),
            "table",
            THIRD,
        ),
        ODDS,
        Shown(
            "Requests",
            "reqps",
            "Answered by each version, errors included.",
            (Ask(rate(_REQUESTS, "version"), VERSION),),
        ),
        Shown(
            "Sparsity by layer",
            "percentunit",
            "Share of activations that are exactly 0.",
            (
                Ask(
                    share("model_activation_zero_elements_total", "model_activation_elements_total", "version, layer"),
                    "{{version}} {{layer}}",
                ),
            ),
            most=1,
        ),
        Shown(
            "Dead neurons by layer",
            "percentunit",
            "Share of units that never fired in a window of equal length.",
            (
                Ask(
                    share(
                        "model_activation_window_dead_neurons_total",
                        "model_activation_window_neurons_total",
                        "version, layer",
                    ),
                    "{{version}} {{layer}}",
                ),
            ),
            most=1,
        ),
        Shown(
            "The operator: evaluations and queries",
            "ops",
            "By how they ended: late, without an answer, or as they should.",
            (
                Ask(
                    "sum by (outcome) (rate(modelrollout_operator_evaluations_total[$__rate_interval]))",
                    "evaluations {{outcome}}",
                ),
                Ask(
                    "sum by (server, outcome) (rate(modelrollout_operator_queries_total[$__rate_interval]))",
                    "queries {{server}} {{outcome}}",
                ),
            ),
        ),
        Shown(
            "The operator: leading, and the pass that is most overdue",
            "s",
            "Exactly one process leads.",
            (
                Ask("max(modelrollout_operator_overdue_seconds)", "overdue"),
                Ask("sum(modelrollout_operator_leading)", "leading"),
            ),
        ),
    ),
)

DEBUG = Board(
    "modelrollout-debug",
    "Model rollouts: layers",
    "Distributions of one layer or all, the stable version beside the candidate.",
    (
        *(
            Shown(
                f"Magnitudes of activations, {role}",
                "short",
                "How many values lie below each edge; a power of two each.",
                (Ask(of(role, "model_activation_abs_bucket", "le", 'layer=~"$layer"'), "{{le}}"),),
                "heat",
            )
            for role in _ROLES
        ),
        Shown(
            "Distance between both distributions",
            "percentunit",
            "The greatest difference of their cumulative shares, by layer (Kolmogorov and Smirnov).",
            (Ask(f"max by (layer) (abs(({distribution('candidate')}) - ({distribution('stable')})))", "{{layer}}"),),
            span=WHOLE,
        ),
        *(
            Shown(
                title,
                "percentunit",
                says,
                (Ask(share(part, whole, "version, layer", 'layer=~"$layer"'), "{{version}} {{layer}}"),),
                most=1,
            )
            for title, says, part, whole in (
                (
                    "Zero",
                    "Share of values that are 0.",
                    "model_activation_zero_elements_total",
                    "model_activation_elements_total",
                ),
                (
                    "Negative",
                    "Share of values below 0.",
                    "model_activation_negative_elements_total",
                    "model_activation_elements_total",
                ),
                (
                    "Dead",
                    "Share of units dead in a window.",
                    "model_activation_window_dead_neurons_total",
                    "model_activation_window_neurons_total",
                ),
                (
                    "Measured",
                    "Share of rows that were measured; the rest was thinned.",
                    "model_activation_samples_total",
                    "model_activation_offered_samples_total",
                ),
            )
        ),
        Shown(
            "Rows of a window",
            "short",
            "Dead units compare only where both versions have the same.",
            (
                Ask(
                    f'max by (version, layer) (model_activation_window_size{{{MODEL},layer=~"$layer"}})',
                    "{{version}} {{layer}}",
                ),
            ),
        ),
        Shown(
            "Observations that were refused",
            "cps",
            "By reason; none in a model that is instrumented well.",
            (Ask(rate("model_activation_dropped_observations_total", "version, reason"), "{{version}} {{reason}}"),),
        ),
        ODDS,
        ACCURACY,
    ),
    (
        chosen(
            "layer",
            "Layer",
            'label_values(model_activation_samples_total{namespace=~"$namespace",model=~"$model"}, layer)',
        ),
    ),
)
BOARDS = {"executive": EXECUTIVE, "on-call": ON_CALL, "debug": DEBUG}
