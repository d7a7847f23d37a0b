"""What is wrong with a manifest, as sentences: every one names the path, the value and the fix."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from modelrollout.api.fields import known_fields, without_tags
from modelrollout.api.fixes import fix_of
from modelrollout.api.quantities import format_duration
from modelrollout.api.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from modelrollout.api.config import OperatorConfig

Loc = tuple[str | int, ...]

_SHOWN_VALUE = 60
_LONGEST_READ = 2000
"""Characters of a value that are looked at for what is shown."""
_SECRET = frozenset({"headers", "basicAuth", "oauth2"})
"""Fields of the operator's configuration in which people may write a password by mistake."""
_SHOWN_NAME = 120
"""Characters of a field's name, which a manifest chooses as freely as a value."""
_SENTENCE_BUDGET = 900
_SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Problem:
    """`value` is a phrase that follows the path: ``is "a/b"``, ``is missing`` or ``is not a field``.

    Of a warning, which names its place by the line alone, it is the whole of what is wrong.
    """

    path: str
    value: str
    fix: str
    loc: Loc = ()

    @property
    def sentence(self) -> str:
        """For example: ``spec.steps[1].weight is 5: choose more than the step before (5)``."""
        return f"{self.path} {self.value}: {self.fix}"


def path_of(loc: Loc) -> str:
    """The manifest's spelling of a location: ``spec.steps[1].weight``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in loc)
    return text.removeprefix(".") or "the document"


def _name(part: str) -> str:
    """A field's name as it stands, or as JSON where it would break the line or say something else."""
    if part.isprintable() and len(part) <= _SHOWN_NAME:
        return part
    return json.dumps(part[:_SHOWN_NAME])[:-1] + ('"' if len(part) <= _SHOWN_NAME else '…"')


def shown(value: object) -> str:
    """A value as JSON, shortened and without credentials; quotes and what does not print show as escapes."""
    try:
        text = json.dumps(value[:_LONGEST_READ] if isinstance(value, str) else value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # no JSON: only Python makes such a value
        text = f"a {type(value).__name__}"
    text = re.sub(r"//[^/@\s\"]*@", "//…@", text[:_LONGEST_READ])
    text = text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "spec") -> list[Problem]:
    """One Problem per finding, in the order of the model's fields; `prefix` is where the model sits."""
    root: Loc = (prefix,) if prefix else ()
    return [_problem(detail, model, root) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, model: type[BaseModel], root: Loc) -> Problem:
    loc = without_tags(detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = known_fields(model, detail["loc"][:-1])
        return Problem(path_of(root + loc), "is not a field", meant(str(loc[-1]), known), root + loc)
    if detail["type"] == "missing":
        return Problem(path_of(root + loc), "is missing", fix_of(detail), root + loc)
    if detail["type"] == "union_tag_not_found":
        loc = (*loc, "type")
        return Problem(path_of(root + loc), "is missing", fix_of(detail), root + loc)
    value = detail["input"]
    if detail["type"] == "union_tag_invalid":
        loc, value = (*loc, "type"), value["type"]
    if detail["type"] == "wrong":
        below = tuple(int(p) if p.isdigit() else p for p in detail["ctx"]["path"].split(".") if p)
        loc, value = loc + below, _value_at(value, below)
    if value is None:
        return Problem(path_of(root + loc), "is unset", fix_of(detail), root + loc)
    what = "is not accepted (what it holds is not shown)" if _SECRET.intersection(loc) else f"is {shown(value)}"
    return Problem(path_of(root + loc), what, fix_of(detail), root + loc)


def _value_at(value: Any, loc: Loc) -> Any:
    for part in loc:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None  # a default: the manifest does not spell it out
    return value


def meant(name: str, known: Sequence[str]) -> str:
    """The fix for a name that is no field: the known one that looks like it, or all of them."""
    lowered = {field.lower(): field for field in known}
    close = difflib.get_close_matches(name[:_SHOWN_NAME].lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lowered[close[0]]}?"
    return f"remove it, or use one of {', '.join(known)}" if known else "remove it"


def parse_spec(raw: object) -> tuple[Spec | None, list[Problem]]:
    """The spec of a manifest, judged as strictly as an API server does (no coercion), or its problems."""
    try:
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError, RecursionError):
        return None, [Problem("spec", "is no JSON", "write plain fields that do not contain themselves", ("spec",))]
    try:
        return Spec.model_validate_json(text, strict=True, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, problems_of(error, Spec)


def check_against(spec: Spec, config: OperatorConfig) -> list[Problem]:
    """What only the operator's configuration knows: the Prometheus servers, and what they allow."""
    server = config.server(spec.analysis.prometheus)
    if server is None:
        known = ", ".join(sorted(s.name for s in config.prometheus))
        loc: Loc = ("spec", "analysis", "prometheus")
        fix = f"this operator knows {known}; name one of them, or add the server to its configuration"
        return [Problem(path_of(loc), f"is {shown(spec.analysis.prometheus)}", fix, loc)]
    found = []
    for index, gate in enumerate(spec.gates):
        if gate.type == "Query" and not server.allow_queries:
            loc = ("spec", "gates", index, "type")
            fix = (
                f"the Prometheus server {server.name} takes no Query gates; use a built-in gate, "
                "or have allowQueries set on it in the operator's configuration"
            )
            found.append(Problem(path_of(loc), 'is "Query"', fix, loc))
    return found


def check_webhooks(spec: Spec, config: OperatorConfig, namespace: str | None) -> list[Problem]:
    """Webhook gates whose webhook is not there, or not for that namespace (None: not known)."""
    found = []
    for index, gate in enumerate(spec.gates):
        if gate.type != "Webhook" or config.webhook(gate.asks, namespace) is not None:
            continue
        loc: Loc = ("spec", "gates", index, "name" if gate.webhook is None else "webhook")
        usable = [one.name for one in config.webhooks if namespace is None or one.lets(namespace)]
        known = f"name one of {', '.join(sorted(usable))}, or " if usable else ""
        fix = f"{known}have it listed in webhooks of the operator's configuration, for this namespace"
        found.append(Problem(path_of(loc), f"is {shown(gate.asks)}, which names no webhook", fix, loc))
    return found


def check_limits(spec: Spec, config: OperatorConfig) -> list[Problem]:
    """What asks for more than one resource may ask of an operator that serves others as well."""
    limits, found = config.limits, list[Problem]()
    if spec.analysis.interval < limits.shortest_interval:
        loc: Loc = ("spec", "analysis", "interval")
        least = format_duration(limits.shortest_interval)
        fix = f'choose "{least}" or more, or have limits.shortestInterval of the operator\'s configuration changed'
        found.append(Problem(path_of(loc), f'is "{format_duration(spec.analysis.interval)}"', fix, loc))
    if len(spec.gates) > limits.most_gates:
        loc = ("spec", "gates")
        fix = f"keep {limits.most_gates}, or have limits.mostGates of the operator's configuration changed"
        found.append(Problem(path_of(loc), f"has {len(spec.gates)} gates", fix, loc))
    return found


def summary(problems: Sequence[Problem]) -> str:
    """The first few problems in at most about 900 characters, and how many more there are."""
    kept: list[str] = []
    room = _SENTENCE_BUDGET
    for problem in problems[:_SHOWN_PROBLEMS]:
        sentence = problem.sentence[:_SENTENCE_BUDGET]
        if kept and len(sentence) > room:
            break
        kept.append(sentence)
        room -= len(sentence) + 2
    rest = len(problems) - len(kept)
    return "; ".join(kept) + (f"; and {rest} more" if rest else "")


def read_spec(obj: Mapping[str, Any]) -> tuple[Spec | None, str | None]:
    """(Spec, None) of a stored object, or (None, the InvalidSpec sentence). Never raises."""
    if "spec" not in obj:
        return None, "spec is missing: add spec with model, serving, traffic and steps"
    spec, problems = parse_spec(obj["spec"])
    return spec, summary(problems) if problems else None
