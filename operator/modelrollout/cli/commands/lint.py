"""`lint`: everything that the operator would refuse, and what an API server would silently drop, before apply."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of
from modelrollout.cli.manifests import Checked, check
from modelrollout.cli.yamldoc import Place, Unreadable, documents

CLEAN, FOUND, UNREADABLE = 0, 1, 2

_EPILOG = """\
examples:
  kubectl modelrollout lint rollout.yaml
  kubectl modelrollout lint rollouts/*.yaml --config operator.yaml
  kustomize build . | kubectl modelrollout lint -

With --config (the operator's configuration, config.yaml in its ConfigMap) it also knows which Prometheus servers
there are and whether they allow Query gates. Exit code: 0 clean, 1 problems found, 2 a file cannot be read.
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
    config, worst = _config(args.config)
    resources = problems = 0
    for name in args.files:
        checked = _check(name, config)
        if checked is None:
            worst = UNREADABLE
            continue
        for finding in checked.findings:
            print(f"{name}:{finding.place.line}:{finding.place.column}: {finding.sentence}")  # noqa: T201 - output
        resources += checked.resources
        problems += len(checked.findings)
    _say(f"{_count(resources, 'ModelRollout')} in {_count(len(args.files), 'file')}: {_count(problems, 'problem')}")
    return max(worst, FOUND if problems else CLEAN)


def _check(name: str, config: OperatorConfig | None) -> Checked | None:
    text = _read(name)
    return None if text is None else check(text, config)


def _read(name: str) -> str | None:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        _say(f"{name}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        _say(f"{name}: cannot be read: byte {error.start} is not UTF-8; save the file as UTF-8")
    return None


def _config(path: Path | None) -> tuple[OperatorConfig | None, int]:
    """The operator's configuration, and the exit code so far: a broken one is a problem like any other."""
    if path is None:
        return None, CLEAN
    text = _read(str(path))
    if text is None:
        return None, UNREADABLE
    try:
        found = list(documents(text))
    except Unreadable as error:
        _say(f"{path}:{error.place.line}:{error.place.column}: this is not YAML: {error}")
        return None, FOUND
    document = found[0] if found else None
    try:
        return parse_config(document and document.data), CLEAN
    except ValidationError as error:
        for problem in problems_of(error, OperatorConfig, ""):
            place = document.place(problem.loc) if document else Place(1, 1)
            _say(f"{path}:{place.line}:{place.column}: {problem.sentence}")
    return None, FOUND


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command line tool speaks here
