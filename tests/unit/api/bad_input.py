"""Bad input, one row each: where, what, and words that the answer must hold; and what an API server does with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.unit.api.manifests import ABSENT


class Bad(NamedTuple):
    name: str
    path: str
    value: Any
    says: tuple[str, ...]
    refused_at_apply: bool = True
    """By the schema alone, which every API server knows."""
    rule: str = ""
    """Words of the CEL rule that refuses it where the API server evaluates rules."""


RISE = "weights must rise strictly"

TABLE = (
    Bad("steps_that_do_not_rise", "steps.1.weight", 5, ("spec.steps[1].weight is 5", "rise"), False, RISE),
    Bad("steps_that_fall", "steps.2.weight", 10, ("spec.steps[2].weight is 10", "(25)"), False, RISE),
    Bad("weight_0", "steps.0.weight", 0, ("spec.steps[0].weight is 0", "1 to 99")),
    Bad("weight_100", "steps.2.weight", 100, ("spec.steps[2].weight is 100", "1 to 99")),
    Bad("weight_in_quotes", "steps.0.weight", "5", ('spec.steps[0].weight is "5"', "whole number")),
    Bad("no_steps", "steps", [], ("spec.steps is []", "at least 1")),
    Bad("too_many_steps", "steps", [{"weight": n, "hold": "1m"} for n in range(1, 23)], ("at most 20",)),
    Bad("missing_traffic", "traffic", ABSENT, ("spec.traffic is missing", "gateway")),
    Bad("missing_model", "model", ABSENT, ("spec.model is missing", "version")),
    Bad("no_hostnames", "traffic.gateway.hostnames", [], ("spec.traffic.gateway.hostnames is []",)),
    Bad("unknown_gate_type", "gates.0.type", "ErorRate", ('spec.gates[0].type is "ErorRate"', "ErrorRate?")),
    Bad("gate_without_type", "gates.0.type", ABSENT, ("spec.gates[0].type is missing", "DeadNeurons")),
    Bad("gate_named_twice", "gates.1.name", "errors", ('spec.gates[1].name is "errors"', "twice")),
    Bad("percentage_without_sign", "gates.0.max", "1 percent", ("spec.gates[0].max", '"1.25%"')),
    Bad("percentage_above_100", "gates.0.max", "101%", ('"101%"', "at most"), False),
    Bad("percentage_as_number", "gates.0.max", 0.01, ("spec.gates[0].max is 0.01", '"1.25%"')),
    Bad("duration_with_a_space", "bake", "10 min", ('spec.bake is "10 min"', '"10m"')),
    Bad("duration_with_newline", "bake", "10m\n", (r'spec.bake is "10m\n"', '"10m"')),
    Bad("duration_without_unit", "steps.0.hold", "600", ('spec.steps[0].hold is "600"', '"10m"')),
    Bad("duration_as_number", "steps.0.hold", 600, ("spec.steps[0].hold is 600", '"10m"')),
    Bad("duration_of_ages", "bake", "99999h", ('spec.bake is "99999h"', "one year"), False),
    Bad("interval_of_zero", "analysis.interval", "0s", ("spec.analysis.interval", '"1s"'), False),
    Bad("promise_above_half", "analysis.falseRollback", "60%", ("spec.analysis.falseRollback", "50%"), False),
    Bad("never_ready", "analysis.readyFor", "20m", ("spec.analysis.readyFor", "readyDeadline (15m)"), False),
    Bad("unknown_choice", "analysis.onBreach", "rollback", ("onBreach", "did you mean Rollback?")),
    Bad("version_empty", "model.version", "", ('spec.model.version is ""', "positive whole number")),
    Bad("version_with_slash", "model.version", "a/b", ('spec.model.version is "a/b"', "positive whole number")),
    Bad("version_negative", "model.version", "-1", ('spec.model.version is "-1"', "positive whole number")),
    Bad("version_with_zero", "model.version", "01", ('spec.model.version is "01"', "positive whole number")),
    Bad("version_as_number", "model.version", 2, ("spec.model.version is 2", 'such as "2"')),
    Bad("version_with_newline", "model.version", "2\n", (r'is "2\n"', "positive whole number")),
    Bad("version_too_long", "model.version", "1" * 19, ("spec.model.version", "18 characters")),
    Bad("model_with_quote", "model.name", 'di"gits', ("spec.model.name", "letters")),
    Bad("model_with_newline", "model.name", "digits\n", ("spec.model.name", "letters")),
    Bad("model_climbing_out", "model.name", "../../etc", ("spec.model.name", "letters")),
    Bad("gate_name_with_quote", "gates.0.name", 'err"ors', ("spec.gates[0].name", "lower-case")),
    Bad("gate_name_with_newline", "gates.0.name", "err\nors", (r'is "err\nors"', "lower-case")),
    Bad("service_without_version", "serving.service", "digits", ("spec.serving.service", "{version}")),
    Bad("service_too_long", "serving.service", "d" * 46 + "{version}", ("54 characters",)),
    Bad("header_with_newline", "traffic.testerHeader", "x-a\nb", ("spec.traffic.testerHeader", "header")),
    Bad("hostname_with_space", "traffic.gateway.hostnames", ["a b"], ("hostnames[0]", "host name")),
    Bad("limits_upside_down", "gates.3.within", ["70%", "30%"], ("spec.gates[3].within", "lower"), False),
    Bad("field_of_another_gate", "gates.0.min", "3%", ("spec.gates[0].min is not a field", "max"), False),
    Bad("unknown_placeholder", "gates.4.query", "x{{pod}}", ("{{pod}} is no placeholder", "{{version}}"), False),
    Bad("query_without_limit", "gates.4.min", ABSENT, ("spec.gates[4]", "min, max or within"), False, "needs a limit"),
    Bad("query_with_infinite_limit", "gates.4.min", "1e999", ('spec.gates[4].min is "1e999"',), False),
    Bad("share_of_nothing", "gates.0.share", "0%", ("spec.gates[0].share",), False),
    Bad("shares_above_the_whole", "gates.1.share", "101%", ("spec.gates[1].share",), False),
    Bad("unknown_field", "trafic", {}, ("spec.trafic is not a field", "did you mean traffic?"), False),
    Bad("python_spelling", "rollback_window", "1h", ("is not a field", "rollbackWindow"), False),
)

BAD_SERVERS: tuple[dict[str, object], ...] = (
    {"url": "prometheus:9090"},
    {"url": "http://me:secret@prometheus"},
    {"url": "http://p", "matchers": "{namespace}"},
    {"url": "http://p", "gatewayMatchers": 'a="b'},
    {"url": "http://p", "timeout": 10},
    {"url": "http://p", "timeout": "0s"},
    {"url": "http://p", "alowQueries": True},
)
"""Prometheus servers in the operator's configuration, each with one thing wrong."""
