"""Each gate type that a spec may write has one definition, and nothing else in the analysis goes by type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from modelrollout.api.gates import Gate
from modelrollout.core.analysis import gates as package
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.definition import type_of
from modelrollout.core.analysis.gates.error_rate import DEFINITION as ERROR_RATE
from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import look, request_of, spec_of

MODELS = get_args(get_args(Gate)[0])
MINIMAL = {"Query": {"query": "vector(1)", "max": "2"}}
every_type = pytest.mark.parametrize("model", MODELS, ids=type_of)


def spec_with(model):
    name = type_of(model)
    return spec_of({"name": "one", "type": name, **MINIMAL.get(name, {})})


def gate_of(model):
    return spec_with(model).gates[0]


@every_type
def test_it_has_a_definition_of_its_own(model):
    gate = gate_of(model)
    assert type(gate) is model
    found = registry.definition_of(gate)
    assert found.type == gate.type
    assert [one for one in registry.DEFINITIONS if one.type == gate.type] == [found]


@every_type
async def test_it_is_judged_where_there_is_not_one_sample(model):
    found = await look(request_of(spec_with(model)), 60)
    assert [(one.name, one.type, one.verdict) for one in found.gates] == [("one", type_of(model), "NO_DATA")]


@every_type
def test_the_series_it_reads_have_names_in_model_series(model):
    known = {value for name, value in vars(s).items() if name.isupper() and isinstance(value, str)}
    assert registry.definition_of(gate_of(model)).series_of(gate_of(model)) <= known


@every_type
def test_its_default_is_a_gate_of_its_type_and_needs_what_it_reads(model):
    found = registry.definition_of(gate_of(model))
    assert found.default is None or found.default.type == found.type
    assert found.needs is None or found.needs in found.series_of(gate_of(model))


def test_a_missing_definition_stops_the_import():
    without = [one for one in registry.DEFINITIONS if one.type != "Latency"]
    with pytest.raises(TypeError, match="Latency"):
        registry.by_type(without, registry.gate_types())
    with pytest.raises(TypeError, match="Latency"):
        registry.by_type(registry.DEFINITIONS, [one for one in registry.gate_types() if one != "Latency"])
    with pytest.raises(TypeError, match="Latency"):
        registry.by_type([*registry.DEFINITIONS, *registry.DEFINITIONS[1:2]], registry.gate_types())


def test_the_defaults_are_listed_in_the_order_in_which_people_read_them():
    assert registry.every_default() == ("errors", "latency", "accuracy", "dead-neurons", "non-finite")


def test_a_definition_judges_no_gate_of_another_type():
    with pytest.raises(AssertionError, match="Accuracy is not defined by ErrorRate"):
        ERROR_RATE.series_of(spec_of({"name": "one", "type": "Accuracy"}).gates[0])


def test_no_table_by_type_stands_beside_the_definitions():
    """What goes by a gate type's name in quotes is a definition's default and nothing else."""
    quoted = re.compile(rf'"({"|".join(registry.gate_types())})"')
    for path in Path(package.__path__[0]).parent.rglob("*.py"):
        found = [line for line in path.read_text().splitlines() if quoted.search(line)]
        assert all("default=" in line for line in found), (path.name, found)
