"""What is wrong with a manifest file, each finding with its place; the models decide, as in the operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelrollout.api.base import API_VERSION, GROUP, KIND
from modelrollout.api.config import OperatorConfig
from modelrollout.api.problems import Problem, check_against, parse_spec, path_of, shown
from modelrollout.cli.yamldoc import Document, Loc, Place, Unreadable, documents

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_WANTED = f"{GROUP}/{API_VERSION}"


@dataclass(frozen=True)
class Finding:
    """One problem with its place in the file."""

    place: Place
    sentence: str


@dataclass(frozen=True)
class Checked:
    """What became of one file."""

    resources: int
    findings: list[Finding]


def check(text: str, config: OperatorConfig | None) -> Checked:
    """Every ModelRollout in `text`, also inside a List; other kinds pass unread."""
    resources = 0
    findings: list[Finding] = []
    try:
        for document in documents(text):
            for loc, body in _resources(document):
                resources += 1
                findings += _findings(document, loc, body, config)
    except Unreadable as error:
        findings.append(Finding(error.place, f"this is not YAML: {error}"))
    return Checked(resources, sorted(findings, key=lambda f: (f.place.line, f.place.column)))


def _resources(document: Document) -> Iterator[tuple[Loc, dict[str, Any]]]:
    data = document.data
    if not isinstance(data, dict):
        return
    if isinstance(data.get("items"), list) and str(data.get("kind", "")).endswith("List"):
        for index, item in enumerate(data["items"]):
            if isinstance(item, dict) and _is_ours(item):
                yield ("items", index), item
    elif _is_ours(data):
        yield (), data


def _is_ours(body: dict[str, Any]) -> bool:
    group = str(body.get("apiVersion", "")).split("/", maxsplit=1)[0]
    return body.get("kind") == KIND or group == GROUP


def _findings(document: Document, root: Loc, body: dict[str, Any], config: OperatorConfig | None) -> Iterator[Finding]:
    for loc in document.duplicates:
        if loc[: len(root)] == root:
            text = f"{path_of(loc[len(root) :])} is there twice: remove one; the API server would keep the last"
            yield Finding(document.place(loc), text)
    for problem in (*_envelope(body), *_spec(body, config)):
        yield Finding(document.place((*root, *problem.loc)), problem.sentence)


def _envelope(body: dict[str, Any]) -> Iterator[Problem]:
    for field in body:
        if field not in _TOP:
            yield Problem(str(field), "is not a field", f"remove it, or use one of {', '.join(_TOP)}", (field,))
    for field, wanted in (("apiVersion", _WANTED), ("kind", KIND)):
        if body.get(field) != wanted:
            yield Problem(field, _phrase(body, field), f"write {wanted}", (field,))
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        yield Problem("metadata", _phrase(body, "metadata"), "add metadata with a name", ("metadata",))
        return
    name = metadata.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        fix = "use lower-case letters, digits, dashes and dots, with a letter or digit at both ends"
        yield Problem("metadata.name", _phrase(metadata, "name"), fix, ("metadata", "name"))


def _phrase(body: dict[str, Any], field: str) -> str:
    return f"is {shown(body[field])}" if field in body else "is missing"


def _spec(body: dict[str, Any], config: OperatorConfig | None) -> list[Problem]:
    if "spec" not in body:
        return [Problem("spec", "is missing", "add spec with model, serving, traffic and steps", ("spec",))]
    spec, problems = parse_spec(body["spec"])
    if spec is not None and config is not None:
        return check_against(spec, config)
    return problems
