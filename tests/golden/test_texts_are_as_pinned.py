"""Each kind of text is produced from the code and compared with its file in tests/golden/expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.golden import advice, cli_status, command_line, gates, judge, problems, rollouts, routes
from tests.golden.files import FOLDER, GoldenFiles

TEXTS: dict[str, Callable[[], dict[str, str]]] = {
    "advice": advice.texts,
    "cli-help": command_line.texts,
    "cli-judge": judge.texts,
    "cli-judge-refusals": judge.refusals,
    "cli-lint": problems.lint,
    "cli-status": cli_status.texts,
    "evaluations": gates.evaluations,
    "gates": gates.texts,
    "operator-config": problems.config,
    "rollouts": rollouts.texts,
    "routes": routes.texts,
}


@pytest.fixture
def files(request: pytest.FixtureRequest) -> GoldenFiles:
    return GoldenFiles(FOLDER, update=bool(request.config.getoption("--update-golden")))


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_the_pinned_one(name: str, files: GoldenFiles):
    files.check(name, TEXTS[name]())


def test_every_pinned_file_belongs_to_a_text(files: GoldenFiles):
    files.check_names(set(TEXTS))
