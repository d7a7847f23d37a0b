"""What is wrong with a manifest file, each finding with its place; the models decide, as in the operator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelrollout.api.base import API_VERSION, GROUP, KIND
from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.config import OperatorConfig
from modelrollout.api.config.claims import check_claim
from modelrollout.api.problems import Problem, check_against, check_limits, check_webhooks, meant, parse_spec, path_of
from modelrollout.api.spec import Spec
from modelrollout.cli.metadata import metadata_problems, phrase
from modelrollout.cli.yamldoc import Document, Loc, Place, Unreadable, readable

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_WANTED = f"{GROUP}/{API_VERSION}"
MOST_FINDINGS, MOST_FORECAST = 100, 20
"""Of one file: nobody reads more at once, a hostile file would have millions, and a forecast takes a while."""


@dataclass(frozen=True)
class Finding:
    """One problem with its place in the file."""

    place: Place
    sentence: str
    warning: bool = False
    """Whether the operator takes it as it is."""


@dataclass(frozen=True)
class Checked:
    """What became of one file."""

    resources: int
    findings: list[Finding]


def check(text: str, config: OperatorConfig | None) -> Checked:
    """Every ModelRollout in `text`, also inside a List; other kinds pass unread."""
    resources = 0
    findings: list[Finding] = []
    for document in readable(text):
        room = MOST_FINDINGS + 1 - len(findings)
        if isinstance(document, Unreadable):
            findings.append(Finding(document.place, f"this is not YAML: {document}"))
            continue
        for loc, body in _resources((), document.data):
            resources += 1
            found = list(itertools.islice(_findings(document, loc, body, config), room))
            if resources <= MOST_FORECAST:
                found += _warnings(document, loc, body, config)
            findings += found
            room -= len(found)
    findings.sort(key=lambda f: (f.place.line, f.place.column))
    if len(findings) > MOST_FINDINGS:
        last = findings[MOST_FINDINGS - 1].place
        findings[MOST_FINDINGS:] = [Finding(last, "this file has more problems: fix these first")]
    return Checked(resources, findings)


def _resources(loc: Loc, data: Any) -> Iterator[tuple[Loc, dict[str, Any]]]:
    if not isinstance(data, dict):
        return
    if isinstance(data.get("items"), list) and str(data.get("kind", "")).endswith("List"):
        for index, item in enumerate(data["items"]):
            yield from _resources((*loc, "items", index), item)
    elif _is_ours(data):
        yield loc, data


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


def _warnings(document: Document, root: Loc, body: dict[str, Any], config: OperatorConfig | None) -> Iterator[Finding]:
    for problem in _doubts(body, config):
        yield Finding(document.place((*root, *problem.loc)), f"{problem.value}: {problem.fix}", warning=True)


def _doubts(body: dict[str, Any], config: OperatorConfig | None) -> Iterator[Problem]:
    """What the operator takes, and people should know before they apply it."""
    spec, _ = parse_spec(body.get("spec"))
    if spec is None:
        return
    if spec.analysis.on_inconclusive == "Promote":
        loc = ("spec", "analysis", "onInconclusive")
        what = "onInconclusive is Promote, so that at the deadline a version goes on that is not proven"
        yield Problem(path_of(loc), what, "Pause asks a person instead", loc)
    if config is not None:
        from modelrollout.cli.planning.outlook import outlook  # noqa: PLC0415 - the engine takes longer than lint

        yield from outlook(spec)


def _envelope(body: dict[str, Any]) -> Iterator[Problem]:
    for field in body:
        if field not in _TOP:
            yield Problem(path_of((str(field),)), "is not a field", meant(str(field), _TOP), (str(field),))
    for field, wanted in (("apiVersion", _WANTED), ("kind", KIND)):
        if body.get(field) != wanted:
            yield Problem(field, phrase(body, field), f"write {wanted}", (field,))
    yield from metadata_problems(body)


def _comes_after_itself(body: dict[str, Any], spec: Spec) -> bool:
    meta = mapping(body.get("metadata"))
    if spec.after is None or spec.after.name != meta.get("name"):
        return False
    return spec.after.namespace in (None, meta.get("namespace"))


def _spec(body: dict[str, Any], config: OperatorConfig | None) -> list[Problem]:
    if "spec" not in body:
        return [Problem("spec", "is missing", "add spec with model, serving, traffic and steps", ("spec",))]
    spec, problems = parse_spec(body["spec"])
    if spec is not None and _comes_after_itself(body, spec):
        return [Problem("spec.after", "names this ModelRollout itself", "name another one", ("spec", "after"))]
    if spec is not None and config is not None:
        home = mapping(body.get("metadata")).get("namespace")
        claimed = check_claim(home, spec, config) if isinstance(home, str) else []
        asked = check_webhooks(spec, config, home if isinstance(home, str) else None)
        return [*check_against(spec, config), *check_limits(spec, config), *asked, *claimed]
    return problems
