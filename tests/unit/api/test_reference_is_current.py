from __future__ import annotations

import re
from functools import cache

from modelrollout.api.fields import GATE_TYPES
from modelrollout.api.reference import render as rendered
from tests import ROOT

render = cache(rendered)
PAGE = ROOT / "docs" / "spec-reference.md"


def rows(text: str) -> dict[str, list[str]]:
    cells = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in text.splitlines() if line.startswith("| `")]
    return {cell[0].strip("`"): cell[1:] for cell in reversed(cells)}


def test_the_page_is_what_the_models_generate():
    assert PAGE.read_text() == render(), "run `make docs`"


def test_every_gate_has_its_section():
    assert re.findall(r"^### type: (\w+)$", render(), re.MULTILINE) == list(GATE_TYPES)


def test_defaults_are_spelled_as_a_manifest_spells_them():
    found = rows(render())
    assert found["analysis.falseRollback"][:2] == ["share", "`5%`"]
    assert found["bake"][:2] == ["duration", "`15m`"]
    assert found["serving.port"][:2] == ["integer, 1 to 65,535", "`8000`"]
    assert found["steps[].hold"][1] == "required"


def test_every_field_that_a_person_writes_says_what_it_means():
    spec, _, rest = render().partition("## spec.gates[]")
    _, _, config = rest.partition("## The operator's configuration")
    silent = [name for name, cells in rows(spec + config).items() if not cells[-1].strip()]
    assert silent == []
