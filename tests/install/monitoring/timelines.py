"""For each alert: series on which it fires, and series on which it must not, which differ in one thing each."""

from __future__ import annotations

from tests.install.monitoring.promtool import Case

WHO = 'namespace="vision", rollout="digits", model="digits"'
MODEL = {"namespace": "vision", "model": "digits"}
ROLLOUT = {**MODEL, "rollout": "digits"}
SERVING = {**MODEL, "version": "1"}
DAY = 24 * 60


def rollout(phase: str, started: int = 0, reason: str = "", weight: str = "") -> dict[str, str]:
    """What the operator's leader exports of one rollout; `started` in minutes, `weight` by the minute."""
    found = {
        f'modelrollout_rollout_version_info{{{WHO}, role="stable", version="1", pod="a"}}': "1x3000",
        f'modelrollout_rollout_phase{{{WHO}, phase="{phase}", pod="a"}}': "1x3000",
        f'modelrollout_rollout_phase_started_timestamp_seconds{{{WHO}, pod="a"}}': f"{60 * started}x3000",
    }
    if reason:
        found[f'modelrollout_rollout_reason{{{WHO}, reason="{reason}", pod="a"}}'] = "1x3000"
    if weight:
        found[f'modelrollout_rollout_weight_observed_percent{{{WHO}, pod="a"}}'] = weight
    return found


SERVES = rollout("Serving", started=-100)
JUST_PROMOTED = rollout("Serving", started=55)


def of(name: str, values: str, version: str = "1", **labels: str) -> dict[str, str]:
    """A series of a model server; a counter grows by the minute."""
    more = "".join(f', {key}="{value}"' for key, value in labels.items())
    return {f'{name}{{namespace="vision", model="digits", version="{version}", pod="x"{more}}}': values}


def requests(errors: str, version: str = "1", total: str = "0+6000x3000") -> dict[str, str]:
    return of("model_requests_total", total, version) | of("model_request_errors_total", errors, version)


def slow(over: str, version: str = "1", total: str = "0+600x200") -> dict[str, str]:
    """Requests by how long they took: `over` of them more than 100 ms."""
    name = "model_request_duration_seconds"
    buckets = of(f"{name}_bucket", over, version, le="0.1") | of(f"{name}_bucket", total, version, le="0.5")
    return buckets | of(f"{name}_bucket", total, version, le="+Inf") | of(f"{name}_count", total, version)


def answers(right: str, total: str = "0+10x3000", source: str = "labels") -> dict[str, str]:
    counted = of("model_eval_total", total, source=source)
    return counted | of("model_eval_correct_total", right, source=source)


def layer(name: str, part: str, whole: str = "0+1000x3000", version: str = "1") -> dict[str, str]:
    """A share of two counters of one layer; the other layer stays as it is."""
    found: dict[str, str] = {}
    for which, values in (("dense", part), ("calm", "0+500x3000")):
        counted, of_all = SHARES[name]
        found |= of(counted[0], values, version, layer=which, **counted[1])
        found |= of(of_all[0], whole, version, layer=which, **of_all[1])
    return found


_ABS = "model_activation_abs_bucket"
_WINDOW = "model_activation_window_"
SHARES: dict[str, tuple[tuple[str, dict[str, str]], tuple[str, dict[str, str]]]] = {
    "magnitude": ((_ABS, {"le": "1"}), (_ABS, {"le": "+Inf"})),
    "zero": (("model_activation_zero_elements_total", {}), ("model_activation_elements_total", {})),
    "dead": ((f"{_WINDOW}dead_neurons_total", {}), (f"{_WINDOW}neurons_total", {})),
}
LATER = DAY + 120


def moved(before: int, after: int) -> str:
    """So many a minute for a day, and then so many."""
    return f"0+{before}x{DAY} {before * DAY}+{after}x300"


def _moving(share: str, jump: tuple[int, int], little: tuple[int, int]) -> tuple[Case, ...]:
    """A layer of what serves moved in a day; it moved little; it is a candidate's; or nobody knows the day before."""
    return (
        Case("a layer moved", SERVES | layer(share, moved(*jump)), LATER, (SERVING,)),
        Case("it moved little", SERVES | layer(share, moved(*little)), LATER),
        Case("a candidate's did", SERVES | layer(share, moved(*jump), version="2"), LATER),
        Case("promoted today", SERVES | layer(share, f"_x{DAY - 60} 0+{jump[1]}x400"), LATER),
    )


_FAILED = {**ROLLOUT, "phase": "RolledBack"}
_ABORTED = {f'modelrollout_rollout_last_end_timestamp_seconds{{{WHO}, result="Aborted", reason="Aborted"}}': "0x3000"}
_OUTAGE = {f'modelrollout_rollout_metrics_outage{{{WHO}, reason="PrometheusTimeout"}}': "1x30"}
_LIMIT = {f'modelrollout_gate_limit{{{WHO}, gate="l", type="Latency", bound="max", quantile="0.99"}}': "0.6x200"}
_LOOSE = {f'modelrollout_gate_limit{{{WHO}, gate="e", type="ErrorRate", bound="max", quantile=""}}': "0.5x200"}
_LEAST = {f'modelrollout_gate_limit{{{WHO}, gate="a", type="Accuracy", bound="min", quantile=""}}': "0.9x3000"}
_LATE = "modelrollout_operator_evaluations_total"
_BURNING = "0+600x300"
CASES: dict[str, tuple[Case, ...]] = {
    "ModelRolloutFailed": (
        Case("rolled back", rollout("RolledBack"), 10, (_FAILED,)),
        Case("rejected", rollout("Rejected"), 10, ({**ROLLOUT, "phase": "Rejected"},)),
        Case(
            "a new leader says the same",
            rollout("RolledBack")
            | {name.replace('pod="a"', 'pod="b"'): values for name, values in rollout("RolledBack").items()},
            10,
            (_FAILED,),
        ),
        Case("a person aborted it", rollout("RolledBack") | _ABORTED, 10),
        Case("a day ago", rollout("RolledBack"), DAY + 5),
        Case("it is baking", rollout("Baking"), 10),
    ),
    "ModelRolloutHeldByBreach": (
        Case("held", rollout("Stepping", reason="BreachHeld"), 5, (ROLLOUT,)),
        Case("only a hold", rollout("Stepping", reason="StepHolding"), 5),
        Case("for half a minute", {f'modelrollout_rollout_reason{{{WHO}, reason="BreachHeld"}}': "_x5 1"}, 5),
    ),
    "ModelRolloutMetricsUnavailable": (
        Case("an outage", rollout("Stepping", weight="5x30") | _OUTAGE, 10, (ROLLOUT,)),
        Case("no samples", rollout("Baking", reason="SamplesMissing", weight="5x30"), 10, (ROLLOUT,)),
        Case("before any traffic", rollout("Waiting", weight="0x30") | _OUTAGE, 10),
        Case("for two minutes", rollout("Stepping", weight="_x8 5x30") | _OUTAGE, 10),
        Case("judged", rollout("Stepping", reason="StepHolding", weight="5x30"), 10),
    ),
    "ModelRolloutWaitsForPerson": (
        Case("five hours", rollout("AwaitingApproval"), 300, ({**ROLLOUT, "phase": "AwaitingApproval"},)),
        Case("undecided", rollout("Inconclusive"), 300, ({**ROLLOUT, "phase": "Inconclusive"},)),
        Case("an hour", rollout("AwaitingApproval"), 60),
        Case("nobody is waited for", rollout("Stepping"), 300),
    ),
    "ModelRolloutOperatorNotLeading": (
        Case("all stand by", {'modelrollout_operator_leading{pod="a"}': "0x30"}, 10, ({},)),
        Case("there is none", {}, 10, ({},)),
        Case("one of two leads", {f'modelrollout_operator_leading{{pod="{p}"}}': f"{p == 'a':d}x30" for p in "ab"}, 10),
        Case("a change of leader", {'modelrollout_operator_leading{pod="a"}': "1x8 0 1x20"}, 9),
    ),
    "ModelRolloutOperatorLate": (
        Case("overdue", {'modelrollout_operator_overdue_seconds{pod="a"}': "0+60x30"}, 20, ({},)),
        Case("late", {f'{_LATE}{{outcome="late"}}': "0+6x60", f'{_LATE}{{outcome="on time"}}': "0+4x60"}, 30, ({},)),
        Case("some late", {f'{_LATE}{{outcome="late"}}': "0+4x60", f'{_LATE}{{outcome="on time"}}': "0+6x60"}, 30),
        Case("a pass that took long", {'modelrollout_operator_overdue_seconds{pod="a"}': "0x8 90x2 0x30"}, 15),
        Case("nothing to do", {f'{_LATE}{{outcome="on time"}}': "5x60"}, 30),
    ),
    "ModelRolloutErrorBudgetBurning": (
        Case("one in ten", SERVES | requests(_BURNING), 120, (SERVING,)),
        Case("within the limit", SERVES | requests("0+50x300"), 120),
        Case("its gate allows it", SERVES | requests(_BURNING) | _LOOSE, 120),
        Case("it is over", SERVES | requests("0+600x100 60000x100"), 120),
        Case("three times the limit leaves days", SERVES | requests("0+180x300"), 120),
        Case("a candidate's", SERVES | requests(_BURNING, version="2"), 120),
        Case("just promoted", JUST_PROMOTED | requests(_BURNING), 60),
        Case("no requests", SERVES | requests("0x300", total="0x300"), 120),
    ),
    "ModelRolloutLatencyHigh": (
        Case("one in ten is slow", SERVES | slow("0+540x200"), 60, (SERVING,)),
        Case("few are", SERVES | slow("0+597x200"), 60),
        Case("its gate allows it", SERVES | slow("0+540x200") | _LIMIT, 60),
        Case("too few requests to say", SERVES | slow("0+1x200", total="0+3x200"), 60),
        Case("a candidate's", SERVES | slow("0+540x200", version="2"), 60),
        Case("just promoted", JUST_PROMOTED | slow("0+540x200"), 65),
    ),
    "ModelRolloutAccuracyLow": (
        Case("below its gate", SERVES | answers("0+8x3000") | _LEAST, 120, (SERVING,)),
        Case("less than a day ago", SERVES | answers(moved(9, 8)), LATER, (SERVING,)),
        Case("as a day ago", SERVES | answers("0+8x3000"), LATER),
        Case("too few labels", SERVES | answers("0+0.8x3000", total="0+1x3000") | _LEAST, 120),
        Case("stable's own answers", SERVES | answers("0+8x3000", source="shadow") | _LEAST, 120),
    ),
    "ModelRolloutNonFinite": (
        Case("some", JUST_PROMOTED | of("model_activation_nonfinite_elements_total", "0x55 1 2 3"), 58, (SERVING,)),
        Case("long ago", SERVES | of("model_activation_nonfinite_elements_total", "0 5x100"), 60),
        Case("a candidate's", SERVES | of("model_activation_nonfinite_elements_total", "0+5x100", version="2"), 60),
    ),
    "ModelRolloutDrift": _moving("magnitude", (400, 600), (400, 450)),
    "ModelRolloutSparsityChanged": (
        *_moving("zero", (400, 600), (400, 450)),
        Case("fewer zeros", SERVES | layer("zero", moved(600, 400)), LATER, (SERVING,)),
    ),
    "ModelRolloutDeadNeuronsRising": (
        *_moving("dead", (20, 60), (20, 25)),
        Case("fewer are dead", SERVES | layer("dead", moved(60, 20)), LATER),
    ),
}
