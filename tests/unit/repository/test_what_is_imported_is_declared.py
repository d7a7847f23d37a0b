from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests import ROOT
from tests.unit.repository.declared import requirements

OPERATOR, TELEMETRY = ROOT / "operator/modelrollout", ROOT / "telemetry/activation_health"
OURS = {"modelrollout", "activation_health", "tests", "series_reading"}
#: Comes with the server, not from an index.
SERVERS = {"triton_python_backend_utils"}
#: Comes with PyTorch for GPUs, or is on the machine whose GPU is measured.
GPUS = {"triton", "torchvision", "transformers", "timm"}


def imported(path: Path) -> Iterator[str]:
    """The top-level names that a module imports, under conditions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@functools.cache
def installed() -> dict[str, list[str]]:
    """Which distributions have a top-level name; asked once, because it reads every record of the environment."""
    return dict(packages_distributions())


def distributions(*paths: Path) -> dict[str, list[str]]:
    """Which distributions the modules need, each with the modules that import it."""
    found: dict[str, list[str]] = {}
    for path in paths:
        beside = {other.stem for other in path.parent.iterdir()}
        for name in set(imported(path)) - sys.stdlib_module_names - OURS - SERVERS - GPUS - beside:
            (wanted, *_) = installed().get(name, [name])
            found.setdefault(canonicalize_name(wanted), []).append(path.relative_to(ROOT).as_posix())
    return found


def undeclared(paths: list[Path], declared: set[str]) -> dict[str, list[str]]:
    assert paths
    return {name: where for name, where in distributions(*paths).items() if name not in declared}


@pytest.mark.slow
def test_what_the_operator_imports_is_what_it_declares():
    drawing = OPERATOR / "cli/report/page/plots.py"
    store = OPERATOR / "prober/golden/stores.py"
    events = OPERATOR / "cli/report/tensorboard.py"
    columns = OPERATOR / "prober/golden/parquet_process.py"
    rest = [path for path in OPERATOR.rglob("*.py") if path not in (drawing, store, events, columns)]
    assert sorted(distributions(*rest)) == sorted(requirements(".", "notifications", "prober"))
    assert undeclared([drawing], set(requirements(".", "report"))) == {}
    assert undeclared([store], set(requirements(".", "stores"))) == {}
    assert undeclared([columns], set(requirements(".", "parquet"))) == {}
    assert undeclared([events], set(requirements(".", "tensorboard"))) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "extras"),
    [
        ("adapters/torch*.py", ["torch"]),
        ("devices/*.py", ["torch"]),
        ("sinks/prometheus.py", ["prometheus"]),
        ("graphs/**/*.py", ["onnx"]),
    ],
)
def test_an_extra_of_telemetry_declares_what_its_modules_import(pattern: str, extras: list[str]):
    assert undeclared(list(TELEMETRY.glob(pattern)), set(requirements("telemetry", *extras))) == {}


@pytest.mark.slow
def test_the_rest_of_telemetry_needs_no_extra():
    without = {
        TELEMETRY / f"graphs/{name}.py" for name in ("__init__", "layout", "watch", "triton/__init__", "triton/public")
    }
    optional = {*TELEMETRY.glob("adapters/torch*.py"), TELEMETRY / "sinks/prometheus.py"}
    optional |= {*TELEMETRY.glob("graphs/**/*.py"), *TELEMETRY.glob("devices/*.py")} - without
    assert undeclared(sorted({*TELEMETRY.rglob("*.py")} - optional), set(requirements("telemetry"))) == {}


@pytest.mark.slow
def test_what_tests_and_lab_import_is_declared():
    declared = requirements(".", "test", "lab", "stores", "parquet") | requirements(
        "telemetry", "onnx", "prometheus", "torch"
    )
    paths = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "telemetry/tests").rglob("*.py")]
    assert undeclared(paths, set(declared)) == {}
