"""Bad input, one row each: where and what. The answers are pinned in tests/golden/expected/cli-lint.txt."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tests.unit.api.manifests import ABSENT


class Bad(NamedTuple):
    name: str
    path: str
    value: Any
    refused_at_apply: bool = True
    """By the schema alone, which every API server knows."""
    rule: str = ""
    """Words of the CEL rule that refuses it where the API server evaluates rules."""

    @property
    def field(self) -> str:
        """The field as a sentence about it names it."""
        path = self.path.removesuffix(".min") if self.value is ABSENT else self.path
        return "spec." + re.sub(r"\.(\d+)", r"[\1]", path)


RISE = "weights must rise strictly"

TABLE = (
    Bad("steps_that_do_not_rise", "steps.1.weight", 5, False, RISE),
    Bad("steps_that_fall", "steps.2.weight", 10, False, RISE),
    Bad("weight_0", "steps.0.weight", 0),
    Bad("weight_100", "steps.2.weight", 100),
    Bad("weight_in_quotes", "steps.0.weight", "5"),
    Bad("no_steps", "steps", []),
    Bad("too_many_steps", "steps", [{"weight": n, "hold": "1m"} for n in range(1, 23)]),
    Bad("missing_traffic", "traffic", ABSENT),
    Bad("missing_model", "model", ABSENT),
    Bad("no_hostnames", "traffic.gateway.hostnames", []),
    Bad("unknown_gate_type", "gates.0.type", "ErorRate"),
    Bad("gate_without_type", "gates.0.type", ABSENT),
    Bad("gate_named_twice", "gates.1.name", "errors"),
    Bad("percentage_without_sign", "gates.0.max", "1 percent"),
    Bad("percentage_above_100", "gates.0.max", "101%", False),
    Bad("percentage_as_number", "gates.0.max", 0.01),
    Bad("duration_with_a_space", "bake", "10 min"),
    Bad("duration_with_newline", "bake", "10m\n"),
    Bad("duration_without_unit", "steps.0.hold", "600"),
    Bad("duration_as_number", "steps.0.hold", 600),
    Bad("duration_of_ages", "bake", "99999h", False),
    Bad("interval_of_zero", "analysis.interval", "0s", False),
    Bad("promise_above_half", "analysis.falseRollback", "60%", False),
    Bad("never_ready", "analysis.readyFor", "20m", False),
    Bad("unknown_choice", "analysis.onBreach", "rollback"),
    Bad("version_empty", "model.version", ""),
    Bad("version_with_slash", "model.version", "a/b"),
    Bad("version_negative", "model.version", "-1"),
    Bad("version_with_zero", "model.version", "01"),
    Bad("version_as_number", "model.version", 2),
    Bad("version_with_newline", "model.version", "2\n"),
    Bad("version_too_long", "model.version", "1" * 19),
    Bad("model_with_quote", "model.name", 'di"gits'),
    Bad("model_with_newline", "model.name", "digits\n"),
    Bad("model_climbing_out", "model.name", "../../etc"),
    Bad("gate_name_with_quote", "gates.0.name", 'err"ors'),
    Bad("gate_name_with_newline", "gates.0.name", "err\nors"),
    Bad("arm_label_that_is_none", "serving.arm", {"label": "pod-name", "value": "v{version}"}),
    Bad("arm_label_of_the_series", "serving.arm", {"label": "le", "value": "{version}"}, False, "choose one that"),
    Bad("arm_without_a_value", "serving.arm", {"label": "revision"}, False, "needs a value"),
    Bad("arm_the_same_for_both", "serving.arm", {"label": "pod", "value": "digits-*"}, False, "the value needs"),
    Bad("arm_with_a_pattern", "serving.arm", {"label": "pod", "value": "digits-v{version}.+|x"}),
    Bad("arm_with_two_stars", "serving.arm", {"label": "pod", "value": "*-v{version}-*"}, False, "one *"),
    Bad("arm_of_version_10", "serving.arm", {"label": "pod", "value": "digits-v{version}*"}, False, "between the"),
    Bad("arm_of_service_10", "serving.arm", {"label": "pod", "value": "{service}*"}, False, "between the version"),
    Bad("arm_with_an_unknown_placeholder", "serving.arm", {"label": "pod", "value": "{pod}"}),
    Bad("version_path_with_a_slash", "serving.versionPath", "a/{version}"),
    Bad("version_path_of_two_versions", "serving.versionPath", "{version}{version}"),
    Bad("source_that_is_none", "gates.1.source", "triton"),
    Bad("service_without_version", "serving.service", "digits"),
    Bad("service_too_long", "serving.service", "d" * 46 + "{version}"),
    Bad("header_with_newline", "traffic.testerHeader", "x-a\nb"),
    Bad("hostname_with_an_empty_part", "traffic.gateway.hostnames", ["digits..example.com"]),
    Bad("hostname_that_ends_with_a_dot", "traffic.gateway.hostnames", ["digits.example.com."]),
    Bad("gateway_with_an_empty_part", "traffic.gateway.name", "inference..internal"),
    Bad("gateway_with_a_dash_at_the_end_of_a_part", "traffic.gateway.name", "inference-.internal"),
    Bad("section_with_an_empty_part", "traffic.gateway.sectionName", "a..b"),
    Bad("gateway_namespace_with_a_dot", "traffic.gateway.namespace", "infra.eu"),
    Bad("service_with_a_dot", "serving.service", "digits..v{version}"),
    Bad("hostname_with_space", "traffic.gateway.hostnames", ["a b"]),
    Bad("protocol_that_is_none", "traffic.protocols", ["gRPC"]),
    Bad("protocol_named_twice", "traffic.protocols", ["HTTP", "HTTP"], False, "each protocol once"),
    Bad("no_protocol", "traffic.protocols", []),
    Bad("extra_path_that_is_relative", "traffic.route", {"extraPaths": ["v2/health"]}),
    Bad("extra_path_with_a_star_inside", "traffic.route", {"extraPaths": ["/v2/*/config"]}),
    Bad("extra_path_of_the_split", "traffic.route", {"extraPaths": ["/v2/models/digits/infer"]}, False),
    Bad("timeout_with_a_space", "traffic.route", {"timeouts": {"request": "3 s"}}),
    Bad(
        "timeout_of_one_try_above_all", "traffic.route", {"timeouts": {"request": "1s", "backendRequest": "2s"}}, False
    ),
    Bad("filter_that_redirects", "traffic.route", {"filters": [{"type": "RequestRedirect"}]}),
    Bad(
        "filter_without_a_body", "traffic.route", {"filters": [{"type": "ExtensionRef"}]}, False, "says in extensionRef"
    ),
    Bad("label_of_argo_cd", "traffic.route", {"labels": {"argocd.argoproj.io/instance": "a"}}, False),
    Bad("annotation_of_ours", "traffic.route", {"annotations": {"modelrollout.dev/stable": "9"}}, False),
    Bad("label_with_a_space", "traffic.route", {"labels": {"team": "a b"}}),
    Bad("limits_upside_down", "gates.3.within", ["70%", "30%"], False),
    Bad("field_of_another_gate", "gates.0.min", "3%", False),
    Bad("unknown_placeholder", "gates.4.query", "x{{pod}}", False),
    Bad("query_without_limit", "gates.4.min", ABSENT, False, "needs a limit"),
    Bad("query_with_infinite_limit", "gates.4.min", "1e999", False),
    Bad("webhook_of_another_gate", "gates.0.webhook", "load-test", False, "only a Webhook gate takes a webhook"),
    Bad("webhook_that_is_an_address", "gates.3", {"name": "g", "type": "Webhook", "webhook": "http://10.0.0.1/"}),
    Bad("share_of_nothing", "gates.0.share", "0%", False),
    Bad("shares_above_the_whole", "gates.1.share", "101%", False),
    Bad("unknown_field", "trafic", {}, False),
    Bad("python_spelling", "rollback_window", "1h", False),
)

_OAUTH2 = {"tokenUrl": "https://login", "clientId": "a", "clientSecretFile": "/a"}

BAD_SERVERS: tuple[dict[str, object], ...] = (
    {"url": "prometheus:9090"},
    {"url": "http://me:secret@prometheus"},
    {"url": "http://p", "matchers": "{namespace}"},
    {"url": "http://p", "gatewayMatchers": 'a="b'},
    {"url": "http://p", "timeout": 10},
    {"url": "http://p", "timeout": "0s"},
    {"url": "http://p", "alowQueries": True},
    {"bearerTokenFile": "/a", "url": "http://p", "basicAuth": {"username": "me", "passwordFile": "/b"}},
    {"url": "http://p", "clientCertificate": {"certFile": "/a", "keyFile": "/b"}},
)
"""Prometheus servers in the operator's configuration, each with one thing wrong in its last field."""

_FILES = {"urlFile": "/a/url", "keyFile": "/a/key"}
BAD_WEBHOOKS: tuple[dict[str, object], ...] = (
    {"name": "load", **_FILES},
    {"name": "load", "namespaces": [], **_FILES},
    {"name": "load", "namespaces": ["*"], "keyFile": "/a/key"},
    {"name": "load", "namespaces": ["*"], "urlFile": "/a/url"},
    {"name": "load", "namespaces": ["*"], **_FILES, "url": "http://load.example.com"},
    {"name": "load", "namespaces": ["*"], **_FILES, "timeout": "2m"},
    {"name": "load", "namespaces": ["*"], **_FILES, "tries": 6},
)
"""Webhooks in the operator's configuration, each with one thing wrong."""

BAD_CREDENTIALS: tuple[tuple[str, dict[str, object]], ...] = (
    ("basicAuth.passwordFile", {"basicAuth": {"username": "me"}}),
    ("basicAuth.password", {"basicAuth": {"username": "me", "passwordFile": "/a", "password": "s3same"}}),
    ("basicAuth.username", {"basicAuth": {"username": "me:s3same", "passwordFile": "/a"}}),
    ("headers[0].name", {"headers": [{"name": "X Scope", "value": "s3same"}]}),
    ("headers[0].name", {"headers": [{"name": "authorization", "value": "s3same"}]}),
    ("headers[0].value", {"headers": [{"name": "X-Scope-OrgID"}]}),
    ("headers[0].value", {"headers": [{"name": "X-Scope-OrgID", "value": "s3same", "valueFile": "/a"}]}),
    ("headers[0].value", {"headers": [{"name": "X-Scope-OrgID", "value": "s3same\r\nHost: x"}]}),
    ("headers[1].name", {"headers": [{"name": "X-A", "value": "s3same"}, {"name": "x-a", "value": "s3same"}]}),
    ("oauth2.clientSecretFile", {"oauth2": {"tokenUrl": "https://login", "clientId": "me"}}),
    ("oauth2.tokenUrl", {"oauth2": {"tokenUrl": "https://me:s3same@x", "clientId": "a", "clientSecretFile": "/a"}}),
    ("oauth2.scopes[0]", {"oauth2": {**_OAUTH2, "scopes": ["a b"]}}),
    ("oauth2.clientAuth", {"oauth2": {**_OAUTH2, "clientAuth": "header"}}),
    ("oauth2.endpointParams.client_secret", {"oauth2": {**_OAUTH2, "endpointParams": {"client_secret": "s3same"}}}),
    ("clientCertificate.keyFile", {"clientCertificate": {"certFile": "/a"}}),
)
"""(the field that a sentence names, what is written beside url)."""
