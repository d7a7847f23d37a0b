"""Long work shows signs of life that say how far it is, and its log's end when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import progress

TWO_OF_THREE = ["sh", "-c", "echo one; echo two; sleep 1"]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(progress, "HEARTBEAT", 0.1)
    path = tmp_path / "build.log"
    path.write_text("what an earlier step wrote\n")
    return path


def test_a_sign_of_life_counts_the_packages_of_this_step(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress.run("building", TWO_OF_THREE, log, packages=3)
    printed = capsys.readouterr().out
    assert "s so far (2 of 3 packages)\n" in printed
    assert "lab: building: done in " in printed


def test_a_sign_of_life_counts_nothing_where_nothing_is_known(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress.run("building", TWO_OF_THREE, log)
    assert " s so far\n" in capsys.readouterr().out


def test_a_failure_shows_the_end_of_the_log(log: Path) -> None:
    with pytest.raises(RuntimeError, match=r"building failed(.|\n)*no such package"):
        progress.run("building", ["sh", "-c", "echo no such package; exit 1"], log)
