"""What the chart's roles let the operator do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.install.rights.used import Right
from tests.install.test_chart_renders import operator_rules


def granted(values: Mapping[str, Any]) -> frozenset[Right]:
    """Every verb on every resource, of all roles of the operator's account."""
    return frozenset(
        Right(group, resource, verb)
        for _, rule in operator_rules(dict(values))
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )
