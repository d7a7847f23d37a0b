"""Whatever objects and labels hold, doctor says something printable, and no check raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.cli.doctor.facts import Hint, Hints, Read
from modelrollout.cli.doctor.finding import Finding
from tests.unit.cli.doctor.objects import gateway, other
from tests.unit.cli.doctor.patient import Patient

ACTING = ["\x1b[2J", "\u202e", "::error ::x"]
TEXTS = st.text(max_size=20) | st.sampled_from([*ACTING, "infra", "inference", "a.b", "/v2/models/digits"])
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("metadata",),
    ("metadata", "creationTimestamp"),
    ("spec",),
    ("spec", "hostnames"),
    ("spec", "parentRefs"),
    ("spec", "rules"),
    ("status",),
    ("status", "parents"),
    ("spec", "listeners"),
]


def with_value(found: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    *way, last = place
    inside = found
    for key in way:
        inside = inside.setdefault(key, {})
    inside[last] = value
    return found


def sane(findings: list[Finding]) -> None:
    for one in findings:
        for text in (one.subject, one.message, one.fix):
            assert text.isprintable(), repr(text)
            assert len(text) <= 1000
        assert one.level == "OK" or one.fix or one.level == "Warning"


SPOILT: dict[str, Callable[[tuple[str, ...], Any], dict[str, Any]]] = {
    "another route": lambda place, value: {"others": (with_value(other(), place, value),)},
    "the Gateway": lambda place, value: {"gateway": Read(with_value(gateway(), place, value))},
    "the route": lambda place, value: {"route": with_value({}, place, value)},
    "the Lease": lambda _, value: {"lease": Read(with_value({}, ("spec", "renewTime"), value))},
    "the definition": lambda _, value: {"definition": Read(with_value({}, ("spec", "versions"), value))},
    "the resource": lambda place, value: {"resource": with_value({}, place, value)},
}


@pytest.mark.alike(2)
@pytest.mark.parametrize("name", SPOILT)
@given(place=st.sampled_from(PLACES), value=VALUES)
@pytest.mark.slow
def test_objects_of_any_form(name: str, place: tuple[str, ...], value: Any):
    sane(Patient(recordings=(), **SPOILT[name](place, value)).findings())


@pytest.mark.slow
@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_labels_of_any_form(labels: dict[str, str]):
    found = (Hint(labels, 3),)
    hints = Hints(renamed=found, renamed_gateway=found, unmatched=found, versions=found, alike=found, dialects=found)
    sane(Patient(recordings=(), hints=hints).findings())
    sane(Patient(recordings=(), hints=Hints(unmatched=found, versions=found)).findings())
