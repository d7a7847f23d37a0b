"""How to put each kind of finding right: pydantic says what is wrong, this file what to write instead."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from modelrollout.api.adopt import DNS_NAME
from modelrollout.api.config import URL
from modelrollout.api.config.credentials import HEADER as TOKEN
from modelrollout.api.fields import GATE_TYPES
from modelrollout.api.gates import DNS_LABEL
from modelrollout.api.serving import ARM_VALUE, LABEL, SERVICE, VERSION_PATH
from modelrollout.api.spec import HEADER, MISSING_HOSTNAMES, MODEL, VERSION
from modelrollout.api.traffic import passed
from modelrollout.api.traffic.protocols import HOSTNAME, METHOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

_LONGEST_COMPARED = 64
DNS_NAME_FIX = "use lower-case letters, digits, dashes and dots, with a letter or digit at both ends of every part"
_PATTERNS = {
    VERSION: 'write a positive whole number in quotes, such as "2", as Triton names its version folders',
    MODEL: "use letters, digits, dots, dashes and underscores, with a letter or digit at both ends",
    SERVICE: "write a Service name in lower case with {version} once in it, such as digits-v{version}",
    LABEL: "write a Prometheus label: letters, digits and underscores, with a letter first, such as pod",
    ARM_VALUE: "use letters, digits, ._:/@-, {version}, {service} and one * at an end, such as v{version}-*",
    VERSION_PATH: "use letters, digits, dots, dashes and underscores, with {version} at most once, such as v{version}",
    DNS_LABEL: "use lower-case letters, digits and dashes, with a letter or digit at both ends",
    DNS_NAME: DNS_NAME_FIX,
    HOSTNAME: "write a host name in lower case, such as digits.example.com or *.example.com",
    TOKEN: "write a header's name, such as X-Scope-OrgID",
    URL: "write the server's address, such as http://prometheus.monitoring:9090",
    HEADER: "write an HTTP header name, such as x-model-candidate",
    METHOD: "write a method of inference.GRPCInferenceService, such as ModelConfig",
    passed.ROUTE_DURATION: "write a duration of h, m, s and ms, such as 30s or 1m30s",
    passed.HEADER_VALUE: "write a header's value: printable characters, with no space at either end",
    passed.EXTRA_PATH: "write a path such as /v2/health/ready, or /v2/health/* for all below it",
    passed.GROUP: "write an API group, such as traefik.io, or nothing for Kubernetes's own",
    passed.KIND_NAME: "write a kind, such as Middleware",
    passed.OBJECT_NAME: "write an object's name: lower-case letters, digits, dashes and dots",
    passed.LABEL_VALUE: "use at most 63 letters, digits, dots, dashes and underscores",
}

_MISSING = {
    "model": 'add the model\'s name and version, such as {name: digits, version: "2"}',
    "version": 'add the version that should serve, in quotes, such as "2"',
    "serving": 'add the Services of the versions, such as {service: "digits-v{version}", port: 8000}',
    "service": 'add the name of the versions\' Services, such as "digits-v{version}"',
    "traffic": "add the Gateway, such as {gateway: {name: inference, hostnames: [digits.example.com]}}",
    "gateway": "add the Gateway, such as {name: inference, hostnames: [digits.example.com]}",
    "hostnames": MISSING_HOSTNAMES,
    "type": "add the filter's type: RequestHeaderModifier, ResponseHeaderModifier or ExtensionRef",
    "value": "add the header's value",
    "group": "add the object's API group, such as traefik.io",
    "kind": "add the object's kind, such as Middleware",
    "steps": "add at least one step, such as {weight: 5, hold: 10m}",
    "weight": "add the candidate's percent at this step, a whole number from 1 to 99",
    "hold": 'add how long the step lasts at least, such as "10m"',
    "query": "add the PromQL that gives one number",
    "url": "add the server's address, such as http://prometheus.monitoring:9090",
    "username": "add the user's name, such as modelrollout",
    "passwordFile": "add the file that holds the password, such as /etc/modelrollout/prometheus/password",
    "tokenUrl": "add the address that gives tokens, such as https://login.example.com/oauth2/token",
    "clientId": "add how the token server calls the operator, such as modelrollout",
    "clientSecretFile": "add the file that holds the client's secret, such as /etc/modelrollout/login/secret",
    "certFile": "add the file of the certificate, such as /etc/modelrollout/tls/tls.crt",
    "urlFile": "add a file that holds the address, such as one of a Secret that is mounted",
    "namespaces": 'add the namespaces that may use it, such as ["vision-*"]',
    "keyFile": "add the file that holds the key, such as one of a Secret that is mounted",
    "prometheus": "add at least one server, such as {name: default, url: http://prometheus.monitoring:9090}",
    "name": "add a name in lower-case letters, digits and dashes",
}

_TYPES = {
    "string_type": 'write a string in quotes, such as "{value}"',
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "finite_number": "write a finite number",
    "list_type": "write a list",
    "dict_type": "write fields (a mapping)",
    "model_type": "write fields (a mapping)",
    "model_attributes_type": "write fields (a mapping)",
}


def fix_of(detail: ErrorDetails) -> str:
    """One clause that says what to write instead."""
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind in _TYPES:
        value = detail["input"]
        return _TYPES[kind].format(value=value if isinstance(value, int | float) else "text")
    if kind in _RULES:
        return _RULES[kind](detail, context)
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _missing(detail: ErrorDetails, _: dict[str, Any]) -> str:
    return _MISSING.get(str(detail["loc"][-1]), "add it")


def _pattern(_: ErrorDetails, context: dict[str, Any]) -> str:
    return _PATTERNS.get(context["pattern"], f"it must match {context['pattern']}")


def _raised(detail: ErrorDetails, _: dict[str, Any]) -> str:
    return detail["msg"].removeprefix("Value error, ")


def _choice(detail: ErrorDetails, context: dict[str, Any]) -> str:
    choices = re.findall(r"'([^']*)'", context["expected"])
    return _one_of(detail["input"], choices)


def _gate_type(detail: ErrorDetails, _: dict[str, Any]) -> str:
    return _one_of(detail["input"]["type"], list(GATE_TYPES))


def _bound(detail: ErrorDetails, fix: str) -> str:
    if detail["loc"][-1] == "weight":
        return "choose a whole number from 1 to 99; 100 follows the last step automatically"
    return fix


def _one_of(value: object, choices: list[str]) -> str:
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value)[:_LONGEST_COMPARED].lower(), lowered, n=1, cutoff=0.6)
    hint = f"did you mean {lowered[close[0]]}? " if close else ""
    return f"{hint}choose one of {', '.join(choices)}"


_RULES: dict[str, Callable[[ErrorDetails, dict[str, Any]], str]] = {
    "missing": _missing,
    "string_pattern_mismatch": _pattern,
    "value_error": _raised,
    "wrong": _raised,
    "literal_error": _choice,
    "union_tag_invalid": _gate_type,
    "union_tag_not_found": lambda *_: f"add the gate's type: one of {', '.join(GATE_TYPES)}",
    "greater_than_equal": lambda d, c: _bound(d, f"choose at least {c['ge']:g}"),
    "less_than_equal": lambda d, c: _bound(d, f"choose at most {c['le']:g}"),
    "too_short": lambda _, c: f"give at least {c['min_length']}",
    "too_long": lambda _, c: f"give at most {c['max_length']} (there are {c['actual_length']})",
    "string_too_short": lambda *_: "it must not be empty",
    "string_too_long": lambda _, c: f"use at most {c['max_length']} characters",
}
