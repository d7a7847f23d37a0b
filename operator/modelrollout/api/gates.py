"""What a gate may say; how it is judged is decided in core/gates.py."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel
from modelrollout.api.quantities import DecimalString, Duration, Share

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

Method = Literal["Sequential", "Threshold"]
Name = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
Source = Literal["Gateway", "Model"]


class VersusStable(ApiModel):
    """Allowed: at most `ratio` times stable's share, plus `plus`."""

    ratio: Annotated[float, Field(ge=1, le=100)] = 1.0
    plus: Share = 0.0


class VersusStableBuckets(ApiModel):
    """Allowed: stable's quantile moved up by this many histogram buckets."""

    buckets: Annotated[int, Field(ge=1, le=20)] = 1


class _Gate(ApiModel):
    name: Name
    method: Method = "Sequential"
    share: Share | None = Field(None, description="this gate's part of the false-rollback promise")
    required: bool | None = Field(None, description="false: reported, never decides")

    @property
    def decides(self) -> bool:
        """Whether this gate may roll back and is needed for promotion."""
        return self.required is not False


class ErrorRateGate(_Gate):
    type: Literal["ErrorRate"]
    max: Share | None = None
    versus_stable: VersusStable | None = None
    source: Source | None = None


class LatencyGate(_Gate):
    type: Literal["Latency"]
    quantile: Annotated[float, Field(ge=0.5, le=0.999)] = 0.99
    max: Duration | None = None
    versus_stable: VersusStableBuckets | None = None
    source: Source | None = None


class AccuracyGate(_Gate):
    type: Literal["Accuracy"]
    min: Share | None = None
    versus_stable: VersusStable | None = Field(None, description="on the share of wrong answers")
    labels: Literal["labels", "golden", "shadow"] = "labels"


class DeadNeuronsGate(_Gate):
    type: Literal["DeadNeurons"]
    profile: Literal["Retrain", "SameWeights"] = "Retrain"
    max: Share | None = None
    versus_stable: VersusStable | None = None


class NonFiniteGate(_Gate):
    type: Literal["NonFinite"]
    max: Share | None = None
    versus_stable: VersusStable | None = None


class _RatioGate(_Gate):
    profile: Literal["Retrain", "SameWeights"] = "Retrain"
    within: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None

    @property
    def decides(self) -> bool:
        """Ratios of equally good retrains differ: reported only, unless the user sets a band or says so."""
        return self.within is not None if self.required is None else self.required

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.within and self.within[0] >= self.within[1]:
            raise ValueError('within: write the lower limit first, such as ["30%", "70%"]')
        return self


class ZeroRatioGate(_RatioGate):
    type: Literal["ZeroRatio"]


class NegativeRatioGate(_RatioGate):
    type: Literal["NegativeRatio"]


class DriftGate(_Gate):
    """Jensen-Shannon divergence (base 2, 0 to 1) of the magnitude histogram against stable, per layer."""

    type: Literal["Drift"]
    max: Share | None = None

    @property
    def decides(self) -> bool:
        return self.max is not None if self.required is None else self.required


class QueryGate(_Gate):
    type: Literal["Query"]
    method: Literal["Threshold"] = "Threshold"
    query: Annotated[str, Field(min_length=1, max_length=2048)]
    min: DecimalString | None = None
    max: DecimalString | None = None
    within: Annotated[list[DecimalString], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min is None and self.max is None and self.within is None:
            raise ValueError('a Query gate needs a limit: add min, max or within, such as min: "10"')
        if self.within and self.within[0] >= self.within[1]:
            raise ValueError('within: write the lower limit first, such as ["1", "2"]')
        return self


Gate = Annotated[
    ErrorRateGate
    | LatencyGate
    | AccuracyGate
    | DeadNeuronsGate
    | NonFiniteGate
    | ZeroRatioGate
    | NegativeRatioGate
    | DriftGate
    | QueryGate,
    Field(discriminator="type"),
]
