"""Each kind of text is produced from the code and compared with its file in tests/golden/expected."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, get_args

import pytest

from modelrollout.core.reasons import GateReason, MetricsReason, Reason
from modelrollout.ports import ApiReason
from tests.golden import advice, cli_status, command_line, doctors, gates, judge, plans, problems, rollouts, routes
from tests.golden.files import FOLDER, GoldenFiles
from tests.golden.process import api_server, command, defects, leading, passes, prometheus, readiness, routers, service

Texts = dict[str, str]
TEXTS: dict[str, Callable[[], Texts | Coroutine[Any, Any, Texts]]] = {
    "advice": advice.texts,
    "cli-doctor": doctors.texts,
    "cli-help": command_line.texts,
    "cli-judge": judge.texts,
    "cli-judge-refusals": judge.refusals,
    "cli-lint": problems.lint,
    "cli-status": cli_status.texts,
    "cli-plan": plans.texts,
    "evaluations": gates.evaluations,
    "gates": gates.texts,
    "operator-config": problems.config,
    "process/api-server": api_server.texts,
    "process/command-line": command.texts,
    "process/commands": api_server.commands,
    "process/defects": defects.texts,
    "process/lease": leading.lease,
    "process/passes": passes.texts,
    "process/prometheus": prometheus.texts,
    "process/readiness": readiness.texts,
    "process/release": leading.release,
    "process/routers": routers.texts,
    "process/service": service.texts,
    "rollouts": rollouts.texts,
    "routes": routes.texts,
}


@pytest.fixture
def files(request: pytest.FixtureRequest) -> GoldenFiles:
    return GoldenFiles(FOLDER, update=bool(request.config.getoption("--update-golden")))


SLOW = frozenset({"cli-lint", "cli-plan", "gates", *(name for name in TEXTS if name.startswith("process/"))})
"""They simulate what traffic can prove, judge a hundred recordings, or wait for servers."""


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in TEXTS])
def test_the_text_is_the_pinned_one(name: str, files: GoldenFiles):
    found = TEXTS[name]()
    files.check(name, found if isinstance(found, dict) else asyncio.run(found))


def test_every_pinned_file_belongs_to_a_text(files: GoldenFiles):
    files.check_names(set(TEXTS))


def test_every_reason_of_the_core_has_its_text_pinned():
    """Beside the advice, which is there for every name."""
    pinned = "".join(path.read_text() for path in sorted(FOLDER.rglob("*.txt")) if path.name != "advice.txt")
    reasons = {*get_args(Reason), *get_args(GateReason)}
    assert reasons - set(re.findall(r"[A-Z][A-Za-z]+", pinned)) == set(), "add how it comes about"


def test_every_reason_of_the_api_server_and_of_prometheus_has_its_sentence_pinned():
    text = "".join((FOLDER / "process" / f"{name}.txt").read_text() for name in ("api-server", "routers", "prometheus"))
    reasons = {*get_args(ApiReason), *get_args(MetricsReason)}
    assert {reason for reason in reasons if f"    {reason}: " not in text} == set(), "add how it comes about"
