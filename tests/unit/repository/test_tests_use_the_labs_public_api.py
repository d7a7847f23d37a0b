"""Tests import from tests.lab and tests.lab.models alone, so that the lab's inside can change without them."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests import ROOT, lab

PUBLIC = {"tests.lab", "tests.lab.models"}
OUTSIDE = [path for path in (ROOT / "tests").rglob("*.py") if ROOT / "tests" / "lab" not in path.parents]


def internals(source: str) -> list[str]:
    """Every module inside the lab that `source` imports, and where."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [part for part in parts if (ROOT / part.replace(".", "/")).with_suffix(".py").exists()]
            names = [str(node.module), *inside]
        else:
            continue
        found += [
            f"line {node.lineno}: {name}" for name in names if name.startswith("tests.lab.") and name not in PUBLIC
        ]
    return found


@pytest.mark.slow
def test_no_test_imports_the_labs_inner_modules():
    found = {str(path.relative_to(ROOT)): internals(path.read_text()) for path in OUTSIDE}
    assert {path: lines for path, lines in found.items() if lines} == {}, "import from tests.lab, or make it public"


@pytest.mark.parametrize(
    "source",
    [
        "from tests.lab.components.kube import Kube",
        "import tests.lab.components.kube",
        "from tests.lab import progress",
        "def late():\n    from tests.lab.models.build import Settings",
    ],
)
def test_every_way_inside_is_seen(source: str):
    assert len(internals(source)) >= 1


def test_what_is_public_is_not_taken_for_an_internal():
    assert internals("from tests.lab import Lab, say\nfrom tests.lab.models import split") == []


def test_a_name_that_is_not_public_is_refused_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no public name 'Labb'; it has .*Answer, .*Lab, "):
        getattr(lab, "Lab" + "b")


def test_the_lab_costs_nothing_until_something_of_it_is_used():
    code = "import sys, tests.lab, tests.lab.models; print(*(set(sys.modules) & {'kubernetes', 'numpy', 'psutil'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
