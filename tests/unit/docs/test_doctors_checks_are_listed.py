"""docs/on-call/doctor.md lists every constant that `doctor --json` can have as `check`, and no other."""

from __future__ import annotations

import re

from tests import ROOT

_CODE = ROOT / "operator" / "modelrollout" / "cli" / "doctor"
_SAID = re.compile(r"\.(?:ok|warning|problem)\(\s*\"([a-z-]+)\"")
_LISTED = re.compile(r"`([a-z-]+)`")


def test_the_page_has_each_of_them():
    said = {name for path in _CODE.rglob("*.py") for name in _SAID.findall(path.read_text())}
    page = (ROOT / "docs" / "on-call" / "doctor.md").read_text()
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("|")]
    listed = {name for row in rows for name in _LISTED.findall(row)} - {"check"}
    assert len(said) > 30
    assert listed == said
