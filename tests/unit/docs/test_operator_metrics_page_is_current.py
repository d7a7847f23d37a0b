"""docs/on-call/operator-metrics.md has every metric that a whole operator defines, as the code defines it."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from modelrollout.runtime.exposition.endpoint import Exposition
from modelrollout.runtime.metrics import MemoryMetrics
from tests import ROOT
from tests.docs.operator_metrics import PAGE, operators, page

_NAMED = re.compile(r"\"(modelrollout_[a-z_]+)\"")


def test_the_page_is_generated_from_the_code():
    assert PAGE.read_text() == page(), "metrics have changed: run `make docs`"


def test_no_metric_that_the_code_names_is_missing_on_it():
    code = (path.read_text() for path in (ROOT / "operator" / "modelrollout" / "runtime").rglob("*.py"))
    named = {name for text in code for name in _NAMED.findall(text)}
    assert len(named) > 12
    assert {name for name in named if f"`{name}`" not in page()} == set()


def test_names_are_those_that_prometheus_asks_for():
    for family in operators():
        assert family.name.startswith("modelrollout_operator_")
        assert family.name.endswith("_total") == (family.kind == "counter")
    written = Exposition(MemoryMetrics()).text([(family, ()) for family in operators()], []).decode()
    assert {family.name for family in text_string_to_metric_families(written)} >= {
        family.name.removesuffix("_total") for family in operators()
    }
