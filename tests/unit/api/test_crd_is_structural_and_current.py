from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes import snapshot_kind
from modelrollout.api.config import values_schema
from modelrollout.api.crd import crd, render
from modelrollout.api.gates import Gate
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status, dump
from tests import ROOT

CRD_FILE = ROOT / "crds" / "modelrollout.yaml"
ALLOWED = {
    *("type", "description", "properties", "required", "items", "default", "enum", "format", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "additionalProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
}


@cache
def version() -> dict[str, Any]:
    return crd()["spec"]["versions"][0]


def root() -> dict[str, Any]:
    return version()["schema"]["openAPIV3Schema"]["properties"]


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}[]")


def every_node() -> list[tuple[str, dict[str, Any]]]:
    return [*nodes(root()["spec"], "spec"), *nodes(root()["status"], "status")]


def test_the_file_is_what_the_models_generate():
    assert CRD_FILE.read_text() == render(), "run `make crds`"


def test_the_definition_of_snapshots_is_the_committed_one():
    assert CRD_FILE.with_name("modelrolloutsnapshot.yaml").read_text() == snapshot_kind.render(), "run `make crds`"
    assert yaml.safe_load(snapshot_kind.render()) == snapshot_kind.snapshot_crd()


@pytest.mark.slow
def test_the_yaml_says_what_the_object_says():
    assert yaml.safe_load(render()) == crd()


def test_every_node_is_structural():
    for path, schema in every_node():
        assert schema["type"] in {"object", "array", "string", "integer", "number", "boolean"}, path
        assert set(schema) <= ALLOWED, path
        if "pattern" in schema:
            re.compile(schema["pattern"])


def test_every_text_and_every_list_is_bounded():
    for path, schema in every_node():
        if schema["type"] == "string":
            assert "enum" in schema or schema["maxLength"] <= 4096, path
        if schema["type"] == "array":
            assert schema["maxItems"] <= 64, path
        if "additionalProperties" in schema:
            assert schema["maxProperties"] <= 64, path


def test_every_field_of_spec_is_described():
    undescribed = [path for path, schema in nodes(root()["spec"], "spec") if "description" not in schema]
    assert [path for path in undescribed if not path.endswith("[]")] == []


def test_no_default_is_stored_in_spec_so_that_they_have_one_home():
    assert [path for path, schema in nodes(root()["spec"], "spec") if "default" in schema] == []


def test_a_resource_without_status_does_not_look_finished():
    assert root()["status"]["default"] == {"observedGeneration": -1}
    assert version()["subresources"] == {"status": {}}


def test_a_newer_operator_can_write_its_status_under_an_older_crd():
    for path, schema in nodes(root()["status"], "status"):
        assert "enum" not in schema, path
        assert schema.get("required", []) in ([], ["type"]), path


def test_gates_and_conditions_are_maps_and_steps_is_one_list():
    spec, status = root()["spec"]["properties"], root()["status"]["properties"]
    assert spec["gates"]["x-kubernetes-list-map-keys"] == ["name"]
    assert set(spec["gates"]["items"]["required"]) == {"name", "type"}
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert spec["steps"]["x-kubernetes-list-type"] == "atomic"
    assert (spec["steps"]["minItems"], spec["steps"]["maxItems"]) == (1, 20)


def test_the_flattened_gate_takes_every_field_of_every_gate():
    flat = root()["spec"]["properties"]["gates"]["items"]["properties"]
    gates = Gate.__args__[0].__args__  # the members of the annotated union
    fields = {name: field for gate in gates for name, field in gate.model_fields.items()}
    assert set(flat) == {field.alias for field in fields.values()}
    assert len(flat["type"]["enum"]) == len(gates)


@pytest.mark.parametrize("limit", ["1.25%", "120ms", "1h30m", "10", "-0.5", "1e3"])
def test_the_flattened_limit_takes_shares_durations_and_numbers(limit: str):
    pattern = root()["spec"]["properties"]["gates"]["items"]["properties"]["max"]["pattern"]
    assert re.search(pattern, limit)


@pytest.mark.parametrize("limit", ["1 %", "ten", "1d", "", "%", "1%x"])
def test_the_flattened_limit_takes_nothing_else(limit: str):
    pattern = root()["spec"]["properties"]["gates"]["items"]["properties"]["max"]["pattern"]
    assert not re.search(pattern, limit)


def test_printer_columns_lead_to_fields_that_exist():
    for column in version()["additionalPrinterColumns"]:
        if column["jsonPath"].startswith(".metadata"):
            continue
        schema: dict[str, Any] = {"properties": root()}
        for part in column["jsonPath"].split(".")[1:]:
            schema = schema["properties"][part]
        assert schema["type"] == column["type"]


def test_a_fresh_status_fits_its_schema():
    assert set(dump(Status())) <= set(root()["status"]["properties"])


def test_the_spec_of_the_schema_is_the_spec_of_the_models():
    assert set(root()["spec"]["properties"]) == {field.alias for field in Spec.model_fields.values()}


def test_the_charts_schema_has_the_configuration_of_the_models():
    file = ROOT / "charts" / "modelrollout" / "values.schema.json"
    assert file.read_text() == values_schema.render(file), "run `make crds`"
