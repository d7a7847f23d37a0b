"""What an API server refuses or drops in `metadata`, by the rules of Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from modelrollout.api.adopt import DNS_NAME
from modelrollout.api.fixes import DNS_NAME_FIX
from modelrollout.api.gates import DNS_LABEL
from modelrollout.api.problems import Loc, Problem, meant, path_of, shown

_TEXTS = ("name", "generateName", "namespace")
_BY_SERVER = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("selfLink", "managedFields", "finalizers", "ownerReferences"),
)
FIELDS = (*_TEXTS, "labels", "annotations", *_BY_SERVER)

_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_MOST_ANNOTATED = 256 * 1024
_KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_NAME, _PART = re.compile(DNS_NAME[1:-1]), re.compile(DNS_LABEL[1:-1])
_KEY_FIX = (
    "use at most 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends, and before a "
    "slash a DNS name"
)
_VALUE_FIX = "use at most 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends"
_QUOTES = 'write a string in quotes, such as "{}"'


def metadata_problems(body: dict[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong in `body["metadata"]`, in the order of its fields."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        yield _problem((), phrase(body, "metadata"), "add metadata with a name")
        return
    if "name" not in metadata:
        yield _problem(("name",), "is missing", _missing_name(metadata))
    for field, value in metadata.items():
        if field not in FIELDS:
            yield _problem((str(field),), "is not a field", meant(str(field), FIELDS))
        elif field in _TEXTS:
            yield from _text(field, value)
        elif field in {"labels", "annotations"}:
            yield from _map(field, value)


def phrase(body: dict[str, Any], field: str) -> str:
    """What stands there, as a phrase that follows its path."""
    return f"is {shown(body[field])}" if field in body else "is missing"


def _problem(loc: Loc, value: str, fix: str) -> Problem:
    whole: Loc = ("metadata", *loc)
    return Problem(path_of(whole), value, fix, whole)


def _missing_name(metadata: dict[str, Any]) -> str:
    if "generateName" in metadata:
        return "add one instead of generateName: a rollout continues under the name that it started with"
    return "add a name in lower-case letters, digits and dashes"


def _text(field: str, value: Any) -> Iterator[Problem]:
    if value in (None, "") and field != "name":
        return
    pattern, longest, fix = _NAME, _LONGEST_NAME, DNS_NAME_FIX
    if field == "namespace":
        pattern, longest = _PART, _LONGEST_LABEL
        fix = "use lower-case letters, digits and dashes, with a letter or digit at both ends"
    text = f"{value[:-1]}a" if field == "generateName" and isinstance(value, str) and value[-1] == "-" else value
    if not isinstance(value, str):
        yield _problem((field,), f"is {shown(value)}", _string(value))
    elif len(value) > longest:
        yield _problem((field,), f"has {len(value):,} characters", f"use at most {longest}")
    elif not pattern.fullmatch(text):
        yield _problem((field,), f"is {shown(value)}", fix)


def _map(field: str, value: Any) -> Iterator[Problem]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield _problem((field,), f"is {shown(value)}", "write fields (a mapping)")
        return
    for key, item in value.items():
        loc = (field, str(key))
        if not isinstance(key, str) or not _is_key(key):
            yield _problem((field,), f"has the key {shown(key)}", _KEY_FIX)
        elif item is not None and not isinstance(item, str):
            yield _problem(loc, f"is {shown(item)}", _string(item))
        elif field == "labels" and item and not (len(item) <= _LONGEST_LABEL and _KEY.fullmatch(item)):
            yield _problem(loc, f"is {shown(item)}", _VALUE_FIX)
    if field == "annotations":
        total = sum(len(str(part).encode(errors="replace")) for pair in value.items() for part in pair)
        if total > _MOST_ANNOTATED:
            yield _problem((field,), f"holds {total:,} bytes", f"keep below {_MOST_ANNOTATED:,}")


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= _LONGEST_NAME and _NAME.fullmatch(prefix)):
        return False
    return len(name) <= _LONGEST_LABEL and bool(_KEY.fullmatch(name))


def _string(value: Any) -> str:
    return _QUOTES.format(value if isinstance(value, int | float) and not isinstance(value, bool) else "text")
