"""A folder that a newcomer opens shows its subject at a glance: at most sixteen files in each."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import PurePosixPath

import pytest

from tests import ROOT

MOST = 16


def crowded(files: list[str]) -> dict[str, int]:
    """Folders with more than MOST files of their own, and how many they have."""
    count = Counter(str(PurePosixPath(file).parent) for file in files)
    return {folder: number for folder, number in count.items() if number > MOST}


# A source archive has no list of tracked files, and what builds leave behind does not count.
# What is tracked is asked of git: an archive of the tree has none.
@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no git checkout")
def test_no_folder_has_more_than_sixteen_files():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [file for file in tracked.split("\0") if file]
    assert len(found) > MOST
    assert crowded(found) == {}, "make a subfolder by subject"


def test_a_crowded_folder_is_named_and_its_subfolders_do_not_count():
    files = [f"tests/lab/{number}.py" for number in range(17)] + [f"tests/{number}/a.py" for number in range(30)]
    assert crowded(files) == {"tests/lab": 17}
    assert crowded(files[1:]) == {}
