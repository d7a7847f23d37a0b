from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.dynamic.exceptions import DynamicApiError, UnprocessibleEntityError

from modelrollout.api.base import KIND, PLURAL
from modelrollout.api.crd import crd
from modelrollout.api.problems import read_spec
from modelrollout.api.status import Status, dump
from tests import ROOT
from tests.install.conftest import DEFINITION, Bare
from tests.lab import Kube, Version
from tests.unit.api.bad_input import TABLE, Bad
from tests.unit.api.manifests import manifest
from tests.unit.cli.rollouts import stepping

pytestmark = [pytest.mark.lab, pytest.mark.oldest]

API = "modelrollout.dev/v1alpha1"


@pytest.fixture(scope="module")
def kube(bare: Bare) -> Kube:
    bare.kube.create(crd())
    bare.kube.wait_served([f"/apis/{API}/{PLURAL}"])
    bare.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision"}})
    return bare.kube


@pytest.fixture
def cleared(kube: Kube) -> Iterator[Kube]:
    yield kube
    kube.delete(API, KIND, "vision", "digits")


def stored(kube: Kube) -> dict[str, Any]:
    found = kube.get(API, KIND, "vision", "digits")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("page", "preflights"),
    [("rollouts/preflight", [500]), ("telemetry/canary-an-int8-copy", [None]), ("gateways/any-gateway", [])],
)
def test_the_manifest_of_a_page_is_taken(page: str, preflights: list[int | None], cleared: Kube):
    text = (ROOT / f"docs/{page}.md").read_text()
    mark = "<!-- applied by tests/install/test_definition_on_a_real_api_server.py -->\n```yaml\n"
    (manifest_of_it,) = re.findall(rf"{re.escape(mark)}(.*?)^```", text, re.DOTALL | re.MULTILINE)
    cleared.create(yaml.safe_load(manifest_of_it))
    spec, problem = read_spec(stored(cleared))
    assert problem is None
    assert spec is not None
    assert [one.rows for one in (spec.preflight,) if one is not None] == preflights


def test_the_schema_is_structural_and_established(kube: Kube):
    found = kube.get(*DEFINITION, None, crd()["metadata"]["name"])
    assert found is not None
    conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_a_good_manifest_is_stored_as_written_and_does_not_look_finished(cleared: Kube):
    cleared.create(manifest())
    found = stored(cleared)
    assert found["spec"] == manifest()["spec"]
    assert found["status"] == {"observedGeneration": -1}
    assert read_spec(found)[1] is None


@pytest.mark.parametrize("bad", [b for b in TABLE if b.refused_at_apply], ids=lambda bad: bad.name)
def test_the_schema_refuses_bad_input_at_apply(bad: Bad, cleared: Kube):
    with pytest.raises(DynamicApiError) as refused:
        cleared.create(manifest(bad.path, bad.value))
    assert refused.value.status in (400, 422)


class Rules:
    """The CEL rules of the definition, which an older definition or API server does not have."""

    def __init__(self, kube: Kube, version: Version) -> None:
        self._kube, self.evaluated, self._dropped = kube, version.has_rules, False

    def drop(self) -> None:
        if self.evaluated:
            self._dropped = True
            self._store(without_rules(crd()))
            self._until(refused=False)

    def restore(self) -> None:
        if self._dropped:
            self._store(crd())
            self._until(refused=True)

    def _store(self, definition: dict[str, Any]) -> None:
        versions = definition["spec"]["versions"]
        self._kube.merge(*DEFINITION, None, definition["metadata"]["name"], {"spec": {"versions": versions}})

    def _until(self, *, refused: bool) -> None:
        """A changed definition is in force a moment later."""
        bad = next(each for each in TABLE if each.rule)
        end = time.monotonic() + 10
        while self._refuses(manifest(bad.path, bad.value)) != refused:
            assert time.monotonic() < end, "the definition's change is not in force after 10 s"
            time.sleep(0.05)

    def _refuses(self, body: dict[str, Any]) -> bool:
        try:
            self._kube.create(body | {"metadata": {"name": "probe", "namespace": "vision"}})
        except UnprocessibleEntityError:
            return True
        self._kube.delete(API, KIND, "vision", "probe")
        return False


def without_rules(found: Any) -> Any:
    """A copy of a schema, or of any part of it, that says nothing about validations by rule."""
    if isinstance(found, dict):
        return {k: without_rules(v) for k, v in found.items() if k != "x-kubernetes-validations"}
    return [without_rules(each) for each in found] if isinstance(found, list) else found


@pytest.fixture
def rules(kube: Kube, bare: Bare) -> Iterator[Rules]:
    made = Rules(kube, bare.version)
    yield made
    made.restore()


PRUNED = ("unknown_field", "python_spelling")
"""The server drops these without a word; only lint can tell."""


@pytest.mark.parametrize("bad", [b for b in TABLE if not b.refused_at_apply], ids=lambda bad: bad.name)
def test_what_the_schema_lets_through_is_an_invalid_spec_for_the_operator(bad: Bad, cleared: Kube, rules: Rules):
    if bad.rule:
        rules.drop()
    cleared.create(manifest(bad.path, bad.value))
    spec, sentence = read_spec(stored(cleared))
    if bad.name in PRUNED:
        assert spec is not None
        return
    assert spec is None
    assert bad.field in (sentence or "")


@pytest.mark.parametrize("bad", [b for b in TABLE if b.rule], ids=lambda bad: bad.name)
def test_the_rules_refuse_bad_input_at_apply_where_the_api_server_evaluates_them(bad: Bad, cleared: Kube, rules: Rules):
    if not rules.evaluated:  # 1.20 drops the rules: the test above holds the operator to the same rows
        pytest.skip("this API server drops the rules: the operator alone refuses")  # as tests of the operator show
    with pytest.raises(UnprocessibleEntityError, match=bad.rule):
        cleared.create(manifest(bad.path, bad.value))


def test_the_rules_let_every_edit_of_a_good_manifest_through(cleared: Kube):
    cleared.create(manifest())
    for weights in ([1], [1, 2], [98, 99], list(range(1, 21))):
        steps = [{"weight": weight, "hold": "1m"} for weight in weights]
        cleared.merge(API, KIND, "vision", "digits", {"spec": {"steps": steps}})
        assert stored(cleared)["spec"]["steps"] == steps


def test_a_gate_list_is_a_map_so_that_two_writers_can_own_two_gates(cleared: Kube):
    cleared.create(manifest())
    one = {"name": "errors", "type": "ErrorRate", "max": "2%"}
    body = {"apiVersion": API, "kind": KIND, "metadata": {"name": "digits", "namespace": "vision"}}
    cleared.apply({**body, "spec": {**manifest()["spec"], "gates": [one]}})
    names = [gate["name"] for gate in stored(cleared)["spec"]["gates"]]
    assert len(names) == len(manifest()["spec"]["gates"])


def test_a_full_status_is_stored_without_losing_a_field(cleared: Kube):
    cleared.create(manifest())
    status = dump(Status.model_validate(stepping()["status"]))
    cleared.resource(API, KIND).status.patch(
        body={"status": status}, name="digits", namespace="vision", content_type="application/merge-patch+json"
    )
    assert stored(cleared)["status"] == status


def test_kubectl_get_shows_the_rollout(cleared: Kube, bare: Bare):
    cleared.create(manifest())
    status = dump(Status.model_validate(stepping()["status"]))
    cleared.resource(API, KIND).status.patch(
        body={"status": status}, name="digits", namespace="vision", content_type="application/merge-patch+json"
    )
    kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={bare.kubeconfig}", "-n", "vision"]
    printed = subprocess.run([*kubectl, "get", "mro"], capture_output=True, text=True, check=True, timeout=30).stdout
    titles, cells = (line.split() for line in printed.splitlines())
    assert titles == ["NAME", "MODEL", "STABLE", "CANDIDATE", "WEIGHT", "STEP", "PHASE", "REASON", "AGE"]
    assert cells[:-1] == ["digits", "digits", "1", "2", "25", "2", "Stepping", "StepHolding"]
