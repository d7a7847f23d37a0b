"""Every metric this library can export, declared once: sinks and docs/metrics.md read this list alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge"]

MODEL = ("model", "version")
LAYER = (*MODEL, "layer")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric name: its kind, its labels (a sink may add more) and the sentence people read."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    help: str


SAMPLES = Family(
    "model_activation_samples_total", "counter", LAYER, "rows", "Rows of activations measured in this layer."
)
OFFERED = Family(
    "model_activation_offered_samples_total",
    "counter",
    LAYER,
    "rows",
    "Rows of activations shown to the monitor; what exceeds samples_total was thinned by the rate cap.",
)
OBSERVATIONS = Family(
    "model_activation_observations_total",
    "counter",
    LAYER,
    "observations",
    "Observations of this layer that were taken, thinned ones included: what was dropped is a share of both.",
)
ELEMENTS = Family(
    "model_activation_elements_total",
    "counter",
    LAYER,
    "values",
    "Activation values measured (rows x units, x positions in a convolution).",
)
ZEROS = Family("model_activation_zero_elements_total", "counter", LAYER, "values", "Values that are exactly 0.")
NEGATIVES = Family(
    "model_activation_negative_elements_total", "counter", LAYER, "values", "Values below 0, -Inf included."
)
NONFINITE = Family(
    "model_activation_nonfinite_elements_total",
    "counter",
    (*LAYER, "kind"),
    "values",
    "Values that are not finite, by kind: nan or inf (either sign).",
)
ABS_BUCKET = Family(
    "model_activation_abs_bucket",
    "counter",
    (*LAYER, "le"),
    "values",
    "Values of a magnitude below le (cumulative; le is a power of two; +Inf counts every value, NaN too).",
)
WINDOWS = Family("model_activation_windows_total", "counter", LAYER, "windows", "Completed windows of exactly n rows.")
WINDOW_NEURONS = Family(
    "model_activation_window_neurons_total",
    "counter",
    LAYER,
    "units",
    "Units judged, summed over completed windows.",
)
WINDOW_DEAD = Family(
    "model_activation_window_dead_neurons_total",
    "counter",
    LAYER,
    "units",
    "Units dead throughout a window, summed over completed windows.",
)
WINDOW_DEAD_SQUARED = Family(
    "model_activation_window_dead_neurons_squared_total",
    "counter",
    LAYER,
    "units squared",
    "Squared number of dead units of a window, summed over completed windows (for the spread).",
)
WINDOW_SIZE = Family(
    "model_activation_window_size",
    "gauge",
    LAYER,
    "rows",
    "Rows per window. Dead units of two versions compare only at equal size.",
)
LAYER_INFO = Family(
    "model_activation_layer_info",
    "gauge",
    (*LAYER, "dead_if"),
    "1",
    'What counts as a dead unit here: "zero" (0 on every row) or "dormant<=TAU" (tau-dormant).',
)
ALPHA_MEAN = Family("model_activation_alpha_mean", "gauge", LAYER, "1", "Mean of a layer's learnable slopes (PReLU).")
ALPHA_VARIANCE = Family(
    "model_activation_alpha_variance", "gauge", LAYER, "1", "Variance of a layer's learnable slopes (PReLU)."
)
INFO = Family(
    "model_activation_info",
    "gauge",
    (*MODEL, "digest"),
    "1",
    "The digest of the weights that serve under this version number.",
)
DROPPED = Family(
    "model_activation_dropped_observations_total",
    "counter",
    (*MODEL, "reason"),
    "observations",
    "Observations refused at run time instead of raising, by reason.",
)
EVALS = Family("model_eval_total", "counter", (*MODEL, "source"), "answers", "Answers that could be judged, by source.")
EVALS_CORRECT = Family(
    "model_eval_correct_total",
    "counter",
    (*MODEL, "source"),
    "answers",
    "Answers judged correct (labels, golden) or equal to stable's (shadow).",
)
EVALS_LOST = Family(
    "model_eval_lost_total",
    "counter",
    (*MODEL, "reason"),
    "answers",
    "Answers or labels that never met their counterpart, by reason.",
)
REQUESTS = Family("model_requests_total", "counter", MODEL, "requests", "Requests the model answered, errors included.")
REQUEST_ERRORS = Family(
    "model_request_errors_total", "counter", MODEL, "requests", "Requests the model answered with an error."
)
DURATION_BUCKET = Family(
    "model_request_duration_seconds_bucket",
    "counter",
    (*MODEL, "le"),
    "requests",
    "Requests that took at most le seconds inside the model (cumulative; the server's queue excluded).",
)
DURATION_COUNT = Family(
    "model_request_duration_seconds_count", "counter", MODEL, "requests", "Requests timed inside the model."
)
DURATION_SUM = Family("model_request_duration_seconds_sum", "counter", MODEL, "seconds", "Time spent inside the model.")

CATALOG: tuple[Family, ...] = (
    SAMPLES,
    OFFERED,
    OBSERVATIONS,
    ELEMENTS,
    ZEROS,
    NEGATIVES,
    NONFINITE,
    ABS_BUCKET,
    WINDOWS,
    WINDOW_NEURONS,
    WINDOW_DEAD,
    WINDOW_DEAD_SQUARED,
    WINDOW_SIZE,
    LAYER_INFO,
    ALPHA_MEAN,
    ALPHA_VARIANCE,
    INFO,
    DROPPED,
    EVALS,
    EVALS_CORRECT,
    EVALS_LOST,
    REQUESTS,
    REQUEST_ERRORS,
    DURATION_BUCKET,
    DURATION_COUNT,
    DURATION_SUM,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The current value of one series; `labels` are in the family's order."""

    family: Family
    labels: tuple[str, ...]
    value: float

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return self.family.name, self.labels

    def label_map(self) -> dict[str, str]:
        return dict(zip(self.family.labels, self.labels, strict=True))


Group = tuple[Sample, ...]  # read under one lock: its numbers agree with each other
