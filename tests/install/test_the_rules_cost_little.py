"""How much of an API server's budget the definition's CEL rules take, by the server's own estimate."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from modelrollout.api.crd import crd
from tests.install.conftest import DEFINITION, Bare

pytestmark = pytest.mark.lab

MOST = 0.5
"""Of the budget of a whole definition: the other half is left for fields to come, and for estimates to change."""
TOTAL = r"total for entire OpenAPIv3 schema exceeds budget by factor of (more than )?([0-9.]+)x"


def nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that has rules."""
    if isinstance(found, dict):
        if "x-kubernetes-validations" in found:
            yield found
        for each in found.values():
            yield from nodes(each)
    elif isinstance(found, list):
        for each in found:
            yield from nodes(each)


def repeated(times: int) -> dict[str, Any]:
    """The definition with every rule so often; a space tells the copies apart."""
    found = copy.deepcopy(crd())
    for node in nodes(found):
        rules = node["x-kubernetes-validations"]
        node["x-kubernetes-validations"] = [
            {**rule, "rule": f"{rule['rule']}{' ' * copies}"} for rule in rules for copies in range(times)
        ]
    return found


def refusal(bare: Bare, body: dict[str, Any]) -> str:
    """What the server says of a definition; "" where it takes it."""
    try:
        bare.kube.resource(*DEFINITION).create(body=body, dry_run="All", _request_timeout=30)
    except UnprocessibleEntityError as error:
        return str(error.body)
    return ""


def share(bare: Bare) -> float:
    """The part of the budget that the definition takes; the server tells it only of what is beyond the budget."""
    for times in (2, 4, 8, 16, 32, 64, 128, 256):
        said = refusal(bare, repeated(times))
        if said:
            factors = [float(one[1]) for one in re.findall(TOTAL, said)]
            assert factors, f"refused for something else: {said[:2000]}"
            return max(factors) / times
    return 1 / 256  # less than that


def test_the_rules_leave_half_of_the_budget(bare: Bare):
    if not bare.version.has_rules:  # such a server drops the rules
        return
    number = sum(len(node["x-kubernetes-validations"]) for node in nodes(crd()))
    found = share(bare)
    print(f"{number} rules take {found:.1%} or less of the budget of a definition on Kubernetes {bare.version}")
    assert found < MOST


def test_the_server_does_estimate_and_refuses_what_costs_too_much(bare: Bare):
    if not bare.version.has_rules:
        return
    dear = copy.deepcopy(crd())
    gates = dear["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["gates"]
    names = "abcdef"
    rule = "".join(f"self.all({one}, " for one in names) + " != ".join(f"{one}.name" for one in "ab") + ")" * len(names)
    gates["x-kubernetes-validations"] = [{"rule": rule, "message": "dear"}]
    assert "estimated rule cost" in refusal(bare, dear)
