"""What a gate may say; how it is judged is decided in core/analysis/gates."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.quantities import DecimalString, Duration, Share

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

Method = Literal["Sequential", "Threshold"]
Name = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
Source = Literal["Gateway", "Model", "Triton"]

PLACEHOLDERS = ("version", "model", "namespace", "service")


class VersusStable(ApiModel):
    """Allowed: at most `ratio` times stable's share, plus `plus`."""

    ratio: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Multiple of stable's share that is allowed."""
    plus: Share = 0.0
    """Share that is allowed on top."""


class VersusStableBuckets(ApiModel):
    """Allowed: stable's quantile moved up by this many histogram buckets."""

    buckets: Annotated[int, Field(ge=1, le=20)] = 1
    """Histogram buckets that stable's quantile may move up by."""


class _Gate(ApiModel):
    name: Name
    """The gate's name in status, Events and messages."""
    method: Method = "Sequential"
    """Sequential: evidence, valid at every evaluation. Threshold: comparison; fails after three breaches in a row."""
    share: Share | None = None
    """This gate's part of analysis.falseRollback; an equal part when unset."""
    required: bool | None = None
    """False: reported, never decides."""

    @property
    def decides(self) -> bool:
        """Whether this gate may roll back and is needed for promotion."""
        return self.required is not False

    @model_validator(mode="after")
    def _share_is_a_part(self) -> Self:
        if self.share == 0:
            raise wrong("share", 'choose more than "0%", or leave it out: with none the gate could never fail')
        return self


class ErrorRateGate(_Gate):
    """The share of requests answered with an error; and of those refused (4xx), compared with stable."""

    type: Literal["ErrorRate"]
    max: Share | None = None
    """The highest share of errors: 5xx, and what gRPC and the model server call a failure."""
    versus_stable: VersusStable | None = None
    refused: VersusStable | None = None
    """Limit on the share of refused requests (4xx) at the gateway; 1.25 times stable's plus 1% when unset."""
    source: Source | None = None
    """Whose series count: of Gateway, Model, Triton the first that has any when unset; Model includes Triton's."""


class LatencyGate(_Gate):
    """A quantile of the time requests take."""

    type: Literal["Latency"]
    quantile: Annotated[float, Field(ge=0.5, le=0.999)] = 0.99
    """The quantile that is judged; beside stable a wider one as well, with five to ten times as many requests above."""
    max: Duration | None = None
    """The longest time allowed at the quantile."""
    versus_stable: VersusStableBuckets | None = None
    source: Source | None = None
    """Whose series count: of Gateway, Model, Triton the first that has any when unset; Model includes Triton's."""


class AccuracyGate(_Gate):
    """The share of right answers among those whose label is known."""

    type: Literal["Accuracy"]
    min: Share | None = None
    """The lowest share of right answers."""
    versus_stable: VersusStable | None = None
    """Limit on the share of wrong answers."""
    labels: Literal["labels", "golden", "shadow"] = "labels"
    """Where the right answers come from: labelled traffic, a golden set, or stable's own answers."""


class DeadNeuronsGate(_Gate):
    """The share of units of a layer that never fire, per layer."""

    type: Literal["DeadNeurons"]
    profile: Literal["Retrain", "SameWeights"] = "Retrain"
    """How similar two healthy versions are: retrained, or the same weights (quantized, recompiled)."""
    max: Share | None = None
    """The highest share of dead units in a layer."""
    versus_stable: VersusStable | None = None


class NonFiniteGate(_Gate):
    """The share of requests that meet NaN or Inf in an activation or an answer."""

    type: Literal["NonFinite"]
    max: Share | None = None
    """The highest share of requests with a value that is not finite."""
    versus_stable: VersusStable | None = None


class _RatioGate(_Gate):
    profile: Literal["Retrain", "SameWeights"] = "Retrain"
    """How similar two healthy versions are: retrained, or the same weights (quantized, recompiled)."""
    within: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    """The lowest and the highest ratio allowed in a layer."""

    @property
    def decides(self) -> bool:
        """Ratios of equally good retrains differ: reported only, unless the user sets a band or says so."""
        return self.within is not None if self.required is None else self.required

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.within and self.within[0] >= self.within[1]:
            raise wrong("within", 'write the lower limit first, such as ["30%", "70%"]')
        return self


class ZeroRatioGate(_RatioGate):
    """The share of activations that are zero, per layer (sparsity)."""

    type: Literal["ZeroRatio"]


class NegativeRatioGate(_RatioGate):
    """The share of activations below zero, per layer (leaky units)."""

    type: Literal["NegativeRatio"]


class DriftGate(_Gate):
    """Jensen-Shannon divergence (base 2, 0 to 1) of the magnitude histogram against stable, per layer."""

    type: Literal["Drift"]
    max: Share | None = None
    """The highest divergence allowed, 100% being 1."""

    @property
    def decides(self) -> bool:
        return self.max is not None if self.required is None else self.required


class QueryGate(_Gate):
    """Any PromQL that gives one number; allowed only where the operator's configuration says so."""

    type: Literal["Query"]
    method: Literal["Threshold"] = "Threshold"
    """Plain comparison: fails after three breaches in a row."""
    query: Annotated[str, Field(min_length=1, max_length=2048)]
    """PromQL; {{version}}, {{model}}, {{namespace}} and {{service}} are replaced by the candidate's."""
    min: DecimalString | None = None
    """The lowest number allowed."""
    max: DecimalString | None = None
    """The highest number allowed."""
    within: Annotated[list[DecimalString], Field(min_length=2, max_length=2)] | None = None
    """The lowest and the highest number allowed."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min is None and self.max is None and self.within is None:
            raise wrong("", 'a Query gate needs a limit: add min, max or within, such as min: "10"')
        if self.within and self.within[0] >= self.within[1]:
            raise wrong("within", 'write the lower limit first, such as ["1", "2"]')
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong("min", "choose at most max: nothing lies between them")
        return self

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        for text in re.findall(r"\{\{.*?\}\}", self.query, flags=re.DOTALL):
            if text[2:-2] not in PLACEHOLDERS:
                known = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
                raise wrong("query", f"{text[:40]} is not a placeholder: use {known}")
        return self


class WebhookGate(_Gate):
    """What a system of yours answers: PASS, FAIL or CONTINUE. Only the operator's configuration names its address."""

    type: Literal["Webhook"]
    method: Literal["Threshold"] = "Threshold"
    """No evidence is weighed: the answer is the verdict."""
    webhook: Name | None = None
    """A webhook by its name in the operator's configuration; the gate's own name when unset."""

    @property
    def asks(self) -> str:
        """Name of the webhook that is asked."""
        return self.webhook or self.name


Gate = Annotated[
    ErrorRateGate
    | LatencyGate
    | AccuracyGate
    | DeadNeuronsGate
    | NonFiniteGate
    | ZeroRatioGate
    | NegativeRatioGate
    | DriftGate
    | QueryGate
    | WebhookGate,
    Field(discriminator="type"),
]
