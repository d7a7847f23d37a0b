"""spec.preflight: what both versions must answer alike at weight 0, before any user meets the candidate."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.adopt import DNS_NAME
from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration

KEY = r"^[-._a-zA-Z0-9]{1,253}$"
FILE = r"^[A-Za-z0-9_][-A-Za-z0-9._]*(/[A-Za-z0-9_][-A-Za-z0-9._]*)*$"
MOST_ROWS, MOST_A_SECOND = 100_000, 1000
"""Rows of one pre-flight, and the rows a second that one may ask for."""
DEFAULT_GATES = ("errors", "latency", "accuracy", "dead-neurons", "non-finite", "zero-ratio", "negative-ratio", "drift")
"""Names of the gates that may be in force for a spec without any."""


class GoldenSet(ApiModel):
    """Rows with known answers, .npz or Parquet: an array or column for each input of the model, first axis the rows."""

    config_map: Annotated[str, Field(pattern=DNS_NAME, max_length=253)] | None = None
    """A ConfigMap beside the resource; with key."""
    key: Annotated[str, Field(pattern=KEY)] | None = None
    """The key of the ConfigMap's binaryData, such as rows.npz."""
    file: Annotated[str, Field(pattern=FILE, max_length=512)] | None = None
    """A file below NAMESPACE/ of the prober's volume or store of golden sets, such as digits/rows.npz."""
    labels: Annotated[str, Field(min_length=1, max_length=128)] = "labels"
    """The array or column with the right answer of each row: a class number. Without one accuracy is not judged."""
    output: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The model's output that is compared with it: classes, or scores whose highest counts; its only one when unset."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.config_map is None) == (self.file is None):
            raise wrong("configMap", "name one place: configMap with key, or file")
        if (self.config_map is None) != (self.key is None):
            raise wrong("key", "name configMap and key together, such as key: rows.npz")
        return self


class Preflight(ApiModel):
    """A golden set replayed against stable and candidate; nobody gets the candidate before its gates pass there."""

    golden_set: GoldenSet
    rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    """The first so many rows of the set; all of it when unset."""
    rate: Annotated[int, Field(ge=1, le=MOST_A_SECOND)] = 50
    """Rows a second, each sent to both versions; the prober's own limit may be lower."""
    timeout: Duration = 5.0
    """How long one answer may take; a row without an answer counts as an error."""
    deadline: Duration = 1800.0
    """A candidate that has not passed after this long is Rejected; waiting for the prober or metrics is not counted."""
    gates: Annotated[list[Name], Field(max_length=24)] = []
    """Names of the gates that must pass; all that can be judged when empty."""

    @model_validator(mode="after")
    def _times_are_positive(self) -> Self:
        for field, seconds in (("timeout", self.timeout), ("deadline", self.deadline)):
            if not seconds:
                raise wrong(field, 'choose more than "0s"')
        return self

    @property
    def sending(self) -> float | None:
        """Seconds for which rows are sent; None where only the set knows how many there are."""
        return None if self.rows is None else self.rows / self.rate

    def digest(self, gates: str) -> str:
        """Names what is asked for, with the digest of the `gates`: what passed another has not passed this one."""
        found = json.dumps([self.model_dump(mode="json"), gates], sort_keys=True)
        return hashlib.sha256(found.encode()).hexdigest()[:12]
