"""`make unit`, `make integration` and `make e2e` run every test once, whatever folder comes next."""

from __future__ import annotations

import re

import pytest

from tests import ROOT
from tests.layers import LAYERS, layer

MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_folder_with_tests_is_in_a_layer():
    found = [path for folder in ("tests", "telemetry") for path in (ROOT / folder).rglob("test_*.py")]
    assert {layer(path) for path in found} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_the_makefile_names_the_same_folders(name: str):
    (folders,) = re.findall(rf"^{name.upper()} := (.*)$", MAKEFILE, re.MULTILINE)
    assert tuple(folders.split()) == LAYERS[name]


def test_a_folder_in_no_layer_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"tests/new is in no layer.*tests/layers.py"):
        layer(ROOT / "tests" / "new" / "test_a.py")
