from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.files import GoldenFiles, render


def test_a_missing_file_fails_and_says_how_to_write_it(tmp_path: Path):
    with pytest.raises(AssertionError, match=r"gates\.txt is missing: run `make golden`"):
        GoldenFiles(tmp_path, update=False).check("gates", {"a": "text"})


def test_a_changed_text_fails_with_the_difference_and_says_how_to_accept_it(tmp_path: Path):
    GoldenFiles(tmp_path, update=True).check("gates", {"a": "old", "b": "same"})
    with pytest.raises(AssertionError, match=r"(?s)out of date: run `make golden`.*-    old\n\+    new"):
        GoldenFiles(tmp_path, update=False).check("gates", {"a": "new", "b": "same"})
    assert (tmp_path / "gates.txt").read_text() == "a\n    old\n\nb\n    same\n"


def test_an_updated_file_passes(tmp_path: Path):
    for update in (True, False):
        GoldenFiles(tmp_path, update=update).check("gates", {"a": "text", "none": ""})


def test_a_file_that_no_test_writes_fails_until_the_update_removes_it(tmp_path: Path):
    files = GoldenFiles(tmp_path, update=False)
    (tmp_path / "old.txt").write_text("left over")
    with pytest.raises(AssertionError, match=r"old\.txt: no test writes it"):
        files.check_names({"gates"})
    GoldenFiles(tmp_path, update=True).check_names({"gates"})
    files.check_names({"gates"})


def test_sections_are_titles_with_indented_text():
    assert render({"title": "one\n\ntwo  \n", "none": ""}) == "title\n    one\n\n    two\n\nnone\n    (nothing)\n"
