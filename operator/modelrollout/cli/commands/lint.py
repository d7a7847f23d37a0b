"""`lint`: everything that the operator would refuse, and what an API server would silently drop, before apply."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of
from modelrollout.cli.files import read_text
from modelrollout.cli.manifests import Checked, check
from modelrollout.cli.printing import remark, tell
from modelrollout.cli.target import Failure
from modelrollout.cli.yamldoc import Place, Unreadable, documents

CLEAN, FOUND, UNREADABLE = 0, 1, 2
_LARGEST = 16 << 20
"""Bytes of a file; an object may have 1.5 MB in a cluster."""

_EPILOG = """\
examples:
  kubectl modelrollout lint rollout.yaml
  kubectl modelrollout lint rollouts/*.yaml --config operator.yaml
  kustomize build . | kubectl modelrollout lint -

With --config (the operator's configuration, config.yaml in its ConfigMap) it also knows which Prometheus servers and
webhooks there are and whether Query gates are allowed, and warns of gates that can never be proven at 1, 10 or 100
requests/s over these steps. Exit code: 0 clean or warnings alone, 1 problems found, 2 a file cannot be read.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount the command."""
    parser = subparsers.add_parser(
        "lint",
        help="check manifests offline, with file, line and what to write instead",
        description="Check ModelRollout manifests offline: the operator's own rules, unknown fields, duplicate "
        "keys. Other kinds in the same files are ignored.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML, one or more documents; - for stdin")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the operator's configuration")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print one line per finding; returns the exit code."""
    config, worst = read_config(args.config)
    resources = problems = warnings = 0
    for name in args.files:
        checked = _check(name, config)
        if checked is None:
            worst = UNREADABLE
            continue
        for finding in checked.findings:
            kind = "warning: " if finding.warning else ""
            tell(f"{name}:{finding.place.line}:{finding.place.column}: {kind}{finding.sentence}")
        resources += checked.resources
        problems += sum(not finding.warning for finding in checked.findings)
        warnings += sum(finding.warning for finding in checked.findings)
    aside = f", {_count(warnings, 'warning')}" if warnings else ""
    found = f"{_count(problems, 'problem')}{aside}"
    remark(f"{_count(resources, 'ModelRollout')} in {_count(len(args.files), 'file')}: {found}")
    return max(worst, FOUND if problems else CLEAN)


def _check(name: str, config: OperatorConfig | None) -> Checked | None:
    text = _read(name)
    return None if text is None else check(text, config)


def _read(name: str) -> str | None:
    try:
        return read_text(name, _LARGEST)
    except Failure as error:
        remark(str(error))
    return None


def read_config(path: Path | None) -> tuple[OperatorConfig | None, int]:
    """The operator's configuration, and the exit code so far: a broken one is a problem like any other."""
    if path is None:
        return None, CLEAN
    text = _read(str(path))
    if text is None:
        return None, UNREADABLE
    try:
        found = list(documents(text))
    except Unreadable as error:
        remark(f"{path}:{error.place.line}:{error.place.column}: this is not YAML: {error}")
        return None, FOUND
    document = found[0] if found else None
    try:
        return parse_config(document and document.data), CLEAN
    except ValidationError as error:
        for problem in problems_of(error, OperatorConfig, ""):
            place = document.place(problem.loc) if document else Place(1, 1)
            remark(f"{path}:{place.line}:{place.column}: {problem.sentence}")
    return None, FOUND


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
