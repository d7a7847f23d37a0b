from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.retries import RETRIES

pytestmark = pytest.mark.slow

CONFTEST = """
from pathlib import Path
from tests.retries import register

def pytest_configure(config):
    register(config, Path(__file__).parent / "tests/e2e")
"""
ONCE = """
import time
from pathlib import Path
import pytest

def fails_at_first(name):
    tried = Path(__file__).with_name(name + ".tried")
    if not tried.exists():
        tried.touch()
        raise AssertionError(f"the machine stood still under {name}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for folder in ("budget", "tests/e2e", "tests/contract", "tests/core"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def write(project: Path, folder: str, *tests: str, name: str = "some") -> None:
    (project / "tests" / folder / f"test_{folder}_{name}.py").write_text(ONCE + "\n".join(tests))


def once(name: str) -> str:
    return f"def test_{name}(): fails_at_first('{name}')\n"


def run(project: Path, *arguments: str, budget: bool = True) -> tuple[int, str]:
    """The exit code and what pytest said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", RETRIES))}
    env |= {"PYTHONPATH": str(ROOT)} | ({RETRIES: str(project / "budget")} if budget else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


def flaky(said: str) -> list[str]:
    return sorted(re.findall(r"^flaky: .*::test_(\w+)$", said, re.MULTILINE))


def closing(said: str) -> str:
    return re.sub(r" in .*", "", said.strip().splitlines()[-1])


def test_an_end_to_end_test_that_passes_the_second_time_is_named_with_what_it_said_at_first(project: Path):
    write(project, "e2e", once("stalls"))
    code, said = run(project)
    assert code == 0
    assert flaky(said) == ["stalls"]
    assert "the machine stood still under stalls" in said
    assert closing(said) == "1 passed"


def test_one_that_fails_twice_has_failed_and_both_failures_are_shown(project: Path):
    write(project, "e2e", "def test_broken(): fails_at_first('broken'); raise ValueError('the second time')\n")
    code, said = run(project)
    assert code == 1
    assert flaky(said) == []
    assert "the machine stood still under broken" in said
    assert "the second time" in said
    assert closing(said) == "1 failed"


@pytest.mark.parametrize("workers", ["0", "3"])
def test_two_are_retried_in_all_however_many_workers_there_are(project: Path, workers: str):
    for name in "abcd":
        write(project, "e2e", once(name), name=name)
    code, said = run(project, "-n", workers)
    assert code == 1
    assert len(flaky(said)) == 2
    assert closing(said) == "2 failed, 2 passed"
    assert len(list((project / "budget").iterdir())) == 2


def test_a_later_session_of_the_same_run_has_what_the_first_left(project: Path):
    write(project, "e2e", once("a"), once("b"))
    assert run(project)[0] == 0
    write(project, "e2e", once("c"))
    assert run(project)[0] == 1


@pytest.mark.parametrize("folder", ["contract", "core"])
def test_no_other_test_is_retried(project: Path, folder: str):
    write(project, folder, once("unsteady"))
    write(project, "e2e", "def test_passes(): pass\n")
    code, said = run(project)
    assert code == 1
    assert closing(said) == "1 failed, 1 passed"
    assert not list((project / "budget").iterdir())


def test_on_a_desk_nothing_is_retried(project: Path):
    write(project, "e2e", once("stalls"))
    assert run(project, budget=False)[0] == 1


def test_the_second_try_has_fixtures_and_a_time_limit_of_its_own(project: Path):
    write(
        project,
        "e2e",
        "@pytest.fixture\ndef fresh(): return []\n",
        "@pytest.mark.timeout(1)\n",
        "def test_hangs(fresh):\n    assert not fresh\n    fresh.append(1)\n    time.sleep(30)\n",
    )
    code, said = run(project, "--timeout-method=signal")
    assert code == 1
    assert said.count("Timeout (>1.0s)") >= 2
    assert "assert not [1]" not in said


def test_what_fails_while_it_is_set_up_or_taken_down_is_retried_too(project: Path):
    write(
        project,
        "e2e",
        "@pytest.fixture\ndef starts(): fails_at_first('start')\n",
        "@pytest.fixture\ndef stops():\n    yield\n    fails_at_first('stop')\n",
        "def test_start(starts): pass\ndef test_stop(stops): pass\n",
    )
    code, said = run(project)
    assert code == 0
    assert flaky(said) == ["start", "stop"]
    assert closing(said) == "2 passed"
