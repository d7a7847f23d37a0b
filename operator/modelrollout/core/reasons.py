"""Every reason people and tools may match on; a reason is never built from parts.

On the wire a reason is a plain string. One that was read from a status may have been written by an older or newer
operator, so it may be any string: as_read marks it, and everything else must be one of the names below.
"""

from __future__ import annotations

from typing import Final, Literal, NewType

# Where a rollout stands
ADOPTED: Final = "Adopted"
STABLE_NOT_READY: Final = "FirstVersionNotReady"
ROUTE_UNCLEAR: Final = "RouteUnclear"
STATUS_LOST: Final = "StatusLost"
ROLLOUT_STARTED: Final = "RolloutStarted"
CANDIDATE_NOT_READY: Final = "CandidateNotReady"
PROBE_NOT_ALLOWED: Final = "ProbeNotAllowed"
CANDIDATE_LOST: Final = "CandidateLost"
CANDIDATE_UNSTABLE: Final = "CandidateUnstable"
READY_DEADLINE: Final = "ReadyDeadlineExceeded"
PREFLIGHT_STARTED: Final = "PreflightStarted"
PREFLIGHT_RUNNING: Final = "PreflightRunning"
PREFLIGHT_PASSED: Final = "PreflightPassed"
PREFLIGHT_FAILED: Final = "PreflightFailed"
PROBER_MISSING: Final = "ProberMissing"
GOLDEN_SET_INVALID: Final = "GoldenSetInvalid"
STEP_STARTED: Final = "StepStarted"
STEP_HOLDING: Final = "StepHolding"
WAITING_FOR_EVALUATION: Final = "WaitingForEvaluation"
TOO_FEW_REQUESTS: Final = "TooFewRequests"
NOT_PROVEN: Final = "NotProven"
LEANING_BAD: Final = "EvidenceLeaningBad"
APPROVAL_NEEDED: Final = "ApprovalNeeded"
APPROVED: Final = "Approved"
BAKE_STARTED: Final = "BakeStarted"
BAKING: Final = "Baking"
PROMOTED: Final = "Promoted"
PLANNED: Final = "Planned"
WAITING_FOR_PREDECESSOR: Final = "WaitingForPredecessor"
ADVANCED_UNPROVEN: Final = "AdvancedUnproven"
PROMOTED_UNPROVEN: Final = "PromotedUnproven"

# Why traffic went back, or is held
GATE_FAILED: Final = "GateFailed"
BREACH_HELD: Final = "BreachHeld"
ABORTED: Final = "Aborted"
SPEC_REVERTED: Final = "SpecReverted"
VERSION_REPLACED: Final = "VersionReplaced"
FAST_ROLLBACK: Final = "FastRollback"
DEADLINE: Final = "DeadlineExceeded"
METRICS_UNAVAILABLE: Final = "MetricsUnavailable"
SAMPLES_MISSING: Final = "SamplesMissing"
NOTHING_TO_JUDGE: Final = "NothingToJudge"
GATE_NOT_JUDGEABLE: Final = "GateNotJudgeable"
GATES_LEFT_OUT: Final = "GatesLeftOut"
GATES_IN_FORCE: Final = "GatesInForceAgain"
COMBINED_EVIDENCE: Final = "CombinedEvidence"
BURN_RATE: Final = "BurnRate"
SERIES_AMBIGUOUS: Final = "SeriesAmbiguous"
TARGET_LOST: Final = "TargetNotScraped"
WEIGHTS_CHANGED: Final = "WeightsChanged"
WEIGHTS_DIFFER: Final = "WeightsDiffer"
SHARED_INCIDENT: Final = "SharedIncident"
BAKE_IN_DOUBT: Final = "BakeInDoubt"
BLIND_TOO_LONG: Final = "BlindTooLong"
PAUSED: Final = "Paused"
RESUMED: Final = "Resumed"

# The spec, the route and commands
INVALID_SPEC: Final = "InvalidSpec"
MODEL_CHANGED: Final = "ModelNameChanged"
PREDECESSOR_UNFIT: Final = "PredecessorUnfit"
SERVING_CHANGED: Final = "ServingChangePending"
STEPS_CHANGED: Final = "StepsChanged"
GATES_CHANGED: Final = "GatesChanged"
WEIGHT_LOWERED: Final = "WeightLowered"
WEIGHT_RAISED: Final = "WeightRaisedByOthers"
RAISE_PENDING: Final = "RaisePending"
ROUTE_MISSING: Final = "RouteMissing"
ROUTE_CHANGED: Final = "RouteChanged"
ROUTE_REJECTED: Final = "RouteRejected"
CLAIM_NOT_ALLOWED: Final = "ClaimNotAllowed"
ROUTE_NOT_OURS: Final = "RouteNotOurs"
ROUTE_NOT_WRITTEN: Final = "RouteNotWritten"
ROUTE_UNFIT: Final = "RouteUnfit"
ROUTE_CONTESTED: Final = "RouteContested"
MIRROR_NOT_SUPPORTED: Final = "MirrorNotSupported"
RELEASE_FAILED: Final = "ReleaseFailed"
COMMAND_REFUSED: Final = "CommandRefused"
COMMAND_APPLIED: Final = "CommandApplied"

# A defect of the operator, or a status that the API server does not take
INTERNAL_ERROR: Final = "InternalError"
STATUS_TRUNCATED: Final = "StatusTruncated"
STATUS_CONTESTED: Final = "StatusContested"

Reason = Literal[
    "Adopted",
    "FirstVersionNotReady",
    "RouteUnclear",
    "StatusLost",
    "RolloutStarted",
    "CandidateNotReady",
    "ProbeNotAllowed",
    "CandidateLost",
    "CandidateUnstable",
    "ReadyDeadlineExceeded",
    "PreflightStarted",
    "PreflightRunning",
    "PreflightPassed",
    "PreflightFailed",
    "ProberMissing",
    "GoldenSetInvalid",
    "StepStarted",
    "StepHolding",
    "WaitingForEvaluation",
    "TooFewRequests",
    "NotProven",
    "EvidenceLeaningBad",
    "ApprovalNeeded",
    "Approved",
    "BakeStarted",
    "Baking",
    "Promoted",
    "Planned",
    "WaitingForPredecessor",
    "AdvancedUnproven",
    "PromotedUnproven",
    "GateFailed",
    "BreachHeld",
    "Aborted",
    "SpecReverted",
    "VersionReplaced",
    "FastRollback",
    "DeadlineExceeded",
    "MetricsUnavailable",
    "SamplesMissing",
    "NothingToJudge",
    "GateNotJudgeable",
    "GatesLeftOut",
    "GatesInForceAgain",
    "CombinedEvidence",
    "BurnRate",
    "SeriesAmbiguous",
    "TargetNotScraped",
    "WeightsChanged",
    "WeightsDiffer",
    "SharedIncident",
    "BakeInDoubt",
    "BlindTooLong",
    "Paused",
    "Resumed",
    "InvalidSpec",
    "ModelNameChanged",
    "PredecessorUnfit",
    "ServingChangePending",
    "StepsChanged",
    "GatesChanged",
    "WeightLowered",
    "WeightRaisedByOthers",
    "RaisePending",
    "RouteMissing",
    "RouteChanged",
    "RouteRejected",
    "ClaimNotAllowed",
    "RouteNotOurs",
    "RouteNotWritten",
    "RouteUnfit",
    "RouteContested",
    "MirrorNotSupported",
    "ReleaseFailed",
    "CommandRefused",
    "CommandApplied",
    "InternalError",
    "StatusTruncated",
    "StatusContested",
]
"""Where a rollout stands or why: each has a constant above."""

GateReason = Literal[
    "AnswersLost",
    "BucketsDiffer",
    "BucketsIncomplete",
    "CriteriaDiffer",
    "EmptyAnswer",
    "LayersDiffer",
    "NoDialect",
    "NotANumber",
    "NotAskedYet",
    "NotExported",
    "NotJudged",
    "ObservationsDropped",
    "QueriesNotAllowed",
    "SampleNotANumber",
    "SeriesMissing",
    "SeveralSeries",
    "TooFewLooks",
    "UnknownPlaceholder",
    "WebhookNotAllowed",
    "WebhookSilent",
    "WebhookUnclear",
    "WindowSizesDiffer",
]
"""Why a gate cannot be judged now."""

MetricsReason = Literal[
    "AnswerMalformed",
    "AnswerTooLarge",
    "ClockSkew",
    "CredentialsUnreadable",
    "EvaluationFailed",
    "PartialAnswer",
    "PrometheusError",
    "PrometheusRejected",
    "PrometheusTimeout",
    "PrometheusUnauthorized",
    "PrometheusUnreachable",
    "TooManySeries",
    "UnknownPrometheus",
]
"""Why Prometheus gave no answer that could be used."""

ReadReason = NewType("ReadReason", str)
AnyReason = Reason | GateReason | MetricsReason | ReadReason


def as_read(text: str) -> ReadReason:
    """A reason that stood in a status: kept as it is, whether this operator knows it or not."""
    return ReadReason(text)
