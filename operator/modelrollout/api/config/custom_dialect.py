"""A gateway of the user's own, described in the operator's configuration as the built-in ones are in code."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, REFUSALS

METRIC = r"^[A-Za-z_:][A-Za-z0-9_:]*$"
LABEL = r"^[A-Za-z_][A-Za-z0-9_]*$"
NAME = r"^[A-Z][A-Za-z0-9]*$"
PLACEHOLDERS = ("namespace", "route", "gatewayNamespace", "gateway", "service", "port", "rule", "index")
_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")
_NOT_RE2 = re.compile(r"\(\?(?:[=!>#(]|<[=!]|P[=>])|\\[1-9]|[*+?}]\+")
"""What Python's expressions have and Prometheus' have not: looking around, references, possessive repetition."""
_UNIT_IN_NAME = re.compile(r"_(seconds|milliseconds|millis|ms)(?:_bucket)?$")
_MATCHER = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(?:=~|!~)"(?P<pattern>[^"\\\n]*)"|[A-Za-z_][A-Za-z0-9_]*!?="[^"\\\n]*"')

Metric = Annotated[str, Field(pattern=METRIC, max_length=256)]
Label = Annotated[str, Field(pattern=LABEL, max_length=128)]
Pattern = Annotated[str, Field(min_length=1, max_length=1024)]


class CustomDialect(ApiModel):
    """The series of one kind of gateway; patterns are RE2 and match the whole value."""

    name: Annotated[str, Field(pattern=NAME, max_length=63)]
    """What `dialects` calls it, such as OurGateway."""
    requests: Metric
    """The counter of answers: a series for each backend and status."""
    durations: Metric | None = None
    """The buckets of how long answers took; without them a Latency gate needs the model's own."""
    unit: Literal["s", "ms"] = "s"
    """Unit of the buckets' `le`."""
    label: Label
    """The label that tells backends apart."""
    backend: Pattern
    """Pattern of that label for one version's backend, with {service} or {index} (0 is stable's, 1 the candidate's)."""
    status: Label
    """The label that holds an answer's status."""
    grpc_status: Label | None = None
    """The label that holds gRPC's status, where it is another one."""
    errors: Pattern = ERRORS
    """Pattern of a status that is an error."""
    refusals: Pattern = REFUSALS
    """Pattern of a status by which the version refuses a request."""
    version_header: bool = False
    """Whether it counts backends apart only where each sets a header of its answers, as Envoy Gateway does."""
    heartbeat: Metric | None = None
    """A series without `label` that is always there while the gateway is scraped."""
    matchers: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=16)] = []
    """Label matchers that say whose series count, such as reporter="source"; placeholders only after =~."""

    @model_validator(mode="after")
    def _patterns_are_patterns(self) -> Self:
        for field in ("backend", "errors", "refusals"):
            known = PLACEHOLDERS if field == "backend" else ()
            _check(field, getattr(self, field), known)
        if not {"service", "index"} & set(_PLACEHOLDER.findall(self.backend)):
            raise wrong("backend", "name the version's backend by {service}, or by {index} where it has no name")
        return self

    @model_validator(mode="after")
    def _matchers_are_matchers(self) -> Self:
        for index, text in enumerate(self.matchers):
            found = _MATCHER.fullmatch(text)
            if found is None:
                raise wrong(f"matchers.{index}", 'write one PromQL label matcher, such as reporter="source"')
            pattern = found["pattern"]
            if pattern is not None:
                _check(f"matchers.{index}", pattern, ("namespace", "route", "gatewayNamespace", "gateway"))
            elif _PLACEHOLDER.search(text):
                raise wrong(f"matchers.{index}", 'placeholders are patterns: write =~"..." instead of ="..."')
        return self

    def doubts(self) -> tuple[str, ...]:
        """A sentence where the histogram's name says another unit than `unit`: times would be off by a thousand."""
        named = _UNIT_IN_NAME.search(self.durations or "")
        said = self.unit if named is None else "s" if named[1] == "seconds" else "ms"
        if said == self.unit:
            return ()
        text = f"customDialects {self.name} has unit {self.unit!r}, but {self.durations} is named after another"
        return (f"{text}: write unit: {said}, unless the name is wrong",)

    def dialect(self) -> Dialect:
        """The same as the analysis reads it."""
        return GatewayMetrics(
            name=self.name,
            controllers=(),
            requests=self.requests,
            durations=self.durations,
            seconds=0.001 if self.unit == "ms" else 1.0,
            label=self.label,
            backend=self.backend,
            status=self.status,
            grpc_status=self.grpc_status,
            errors=self.errors,
            refusals=self.refusals,
            heartbeat=self.heartbeat,
            version_header=self.version_header,
            matchers=tuple(self.matchers),
        )


def _check(field: str, pattern: str, known: tuple[str, ...]) -> None:
    for name in _PLACEHOLDER.findall(pattern):
        if name not in known:
            usable = "use " + ", ".join("{" + one + "}" for one in known) if known else "it takes none"
            raise wrong(field, f"{{{name}}} is no placeholder here: {usable}")
    if _NOT_RE2.search(pattern):
        raise wrong(field, "Prometheus knows no looking around, references or possessive repetition: leave them out")
    try:
        re.compile(_PLACEHOLDER.sub("x", pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong(field, f"write a regular expression (RE2): {error}") from None
