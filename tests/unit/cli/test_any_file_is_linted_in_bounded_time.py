"""Any file at all gets sentences with a place and the right exit code, in bounded time and memory."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelrollout.cli import yamldoc
from modelrollout.cli.main import main
from modelrollout.cli.manifests import MOST_FINDINGS, check
from modelrollout.cli.yamldoc import Document, readable
from tests.unit.api.manifests import GOOD, manifest

TEXT = yaml.safe_dump(GOOD)
PLAIN = st.sampled_from(
    (
        *("y", "NO", "1e3", "012", "0x_", "1:30", ".nan", "-.inf", "<<", "=", "~", "", "2024-02-30", "9" * 99, "*a"),
        *(
            "!!int x",
            "!!python/name:os.system",
            "!!binary x",
            "!!set {a}",
            "? [a]",
            "- -",
            "|\n x",
            '"\\ud800"',
            "\t",
            "%",
        ),
    )
)
PIECES = st.sampled_from(
    (
        *("---\n", "...\n", "kind: ModelRollout\n", "apiVersion: modelrollout.dev/v1alpha1\n", "metadata: {name: d}\n"),
        *(
            "spec: &a\n",
            "  steps: [",
            "]\n",
            "{",
            "}",
            "kind: List\nitems:\n",
            "- ",
            "<<: *a\n",
            "# c\n",
            "\x00",
            "\ufeff",
        ),
        *("\u2028::error::x\n", "\x85", "\x1b[2J", TEXT, TEXT.replace("\n", "\r\n")),
    )
)
FILES = st.lists(PIECES | PLAIN | st.text(max_size=8), max_size=12).map("".join)


def values(text: str) -> list[object]:
    return [found.data for found in readable(text) if isinstance(found, Document)]


@pytest.mark.alike(8)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("y", True), ("N", False), ("Yes", True), ("off", False), ("yEs", "yEs")),
        *(("1e3", 1000.0), ("08", 8.0), ("010", 8), ("0o17", 15), ("0x1F", 31), ("-0b11", -3), ("1_000", 1000)),
        *((".5", 0.5), ("1.", 1.0), ("1e999", "1e999"), ("._", "._"), ("+", "+"), (".inf", float("inf"))),
        *(("12:30", "12:30"), ("2024-02-30", "2024-02-30"), ("2024-02-28T01:02:03Z", "2024-02-28T01:02:03Z")),
        *(("=", "="), ("~", None), ("", None), ("NULL", None), ("nULL", "nULL")),
    ],
)
def test_a_plain_scalar_is_what_kubectl_makes_of_it(text: str, value: object):
    assert values(f"a: {text}") == [{"a": value}]


def test_an_unquoted_letter_is_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.yaml").write_text(TEXT.replace("name: digits\n  namespace", "name: y\n  namespace"))
    assert main(["lint", str(tmp_path / "a.yaml")]) == 1
    assert "metadata.name is true: write a string in quotes" in capsys.readouterr().out


def test_one_broken_document_hides_no_other():
    broken = ["a: [\n", f"{TEXT}", "b: 'open\n", "c: !x 1\n", TEXT.replace("10m", "10 m"), "\td: 1\n"]
    found = check("---\n".join(broken), None)
    assert found.resources == 2
    assert [f.sentence.split(":")[0] for f in found.findings].count("this is not YAML") == 4
    assert any("10 m" in f.sentence for f in found.findings)
    lines = "---\n".join(broken).splitlines()
    for finding in found.findings:
        if "10 m" in finding.sentence:
            assert "10 m" in lines[finding.place.line - 1]


def test_lists_in_lists_are_opened():
    inner = {
        "kind": "ModelRolloutList",
        "apiVersion": "modelrollout.dev/v1alpha1",
        "items": [GOOD, manifest("bake", 5)],
    }
    found = check(yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": [inner, 5, None]}), None)
    assert (found.resources, len(found.findings)) == (2, 1)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "just words", "5", "- 1", "a: 1", "\ufeff", "null"])
def test_a_file_without_resources_is_clean(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.yaml").write_text(text)
    assert main(["lint", str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().err == "0 ModelRollouts in 1 file: 0 problems\n"


def test_json_is_read_too(tmp_path: Path):
    (tmp_path / "a.json").write_text('{\n\t"kind": "ModelRollout", "spec": {"bake": "\\u0031h"}}')
    assert main(["lint", str(tmp_path / "a.json")]) == 1


LARGE = {
    "a long scalar": "a: " + "x" * 10_000_000,
    "a long number": "a: " + "1" * 10_000_000,
    "a number to the base of 60": "a: !!int 1" + ":1" * 3_000_000,
    "many values": "a: [" + "1," * 3_000_000 + "]",
    "many documents": "---\n" * 1_000_000,
    "many broken documents": "a: [\n---\n" * 500_000,
    "an open quote": "a: '" + "x\n" * 3_000_000,
    "deep": "a: " + "[" * 1_000_000,
    "many unknown fields": "kind: ModelRollout\n" + "".join(f"f{k}: 1\n" for k in range(20_000)),
    "many unknown fields of the spec": "kind: ModelRollout\nspec:\n" + "".join(f"  f{k}: 1\n" for k in range(10_000)),
    "many keys twice": "kind: ModelRollout\n" + "a: 1\n" * 20_000,
    "a long name of a field": f"kind: ModelRollout\n? {'x' * 2_000_000}\n: 1\nspec: {{? {'y' * 2_000_000} : 1}}",
    "many labels": f"kind: ModelRollout\nmetadata: {{labels: {{{','.join(f'l{k}: 1' for k in range(15_000))}}}}}",
    "a long scalar under many aliases": f"a: &a {'x' * 1_000_000}\nb: [{'*a,' * 10_000}]",
    "merge keys that double": "a0: &a0 {x: 1}\n"
    + "\n".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}" for k in range(1, 50)),
    "merge keys in a chain": "r: {n: {n: ["
    + ", ".join(["&a0 {x: 1}"] + [f"&a{k} {{<<: *a{k - 1}}}" for k in range(1, 300)])
    + "]}}\ntop: {<<: *a299}",
}  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "text", "says"),
    [
        ("_MOST_VALUES", "a: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "more than 9 values"),
        ("_MOST_DOCUMENTS", "--- 1\n" * 10, "more than 9 documents"),
        ("_MOST_UNFOLDED", "a: &a [1, 2, 3]\nb: [*a, *a, *a]", "its aliases unfold into more than 9 values"),
        ("_MOST_UNREADABLE", "a: [\n---\n" * 10, "as the documents before; what follows has not been read"),
    ],
)
def test_a_document_has_a_largest_size(monkeypatch: pytest.MonkeyPatch, limit: str, text: str, says: str):
    monkeypatch.setattr(yamldoc, limit, 9)
    *_, last = readable(text)
    assert str(last) == says


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_hostile_file_costs_little(name: str):
    tracemalloc.start()
    try:
        found = check(LARGE[name], None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500e6
    assert len(found.findings) <= MOST_FINDINGS + 1
    assert all(len(finding.sentence) < 1000 for finding in found.findings)


@pytest.mark.slow
def test_a_larger_file_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(1 << 32)
    assert main(["lint", str(tmp_path / "a.yaml"), "/dev/zero"]) == 2
    assert capsys.readouterr().err.count("cannot be read: more than 16 MiB") == 2


@pytest.mark.slow
def test_what_is_written_out_is_no_bomb():
    assert len(values("[" + "1," * 60_000 + "]")[0]) == 60_000  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=FILES)
@example(text=f"{TEXT}\n---\n{TEXT[:300]}")
def test_any_text_is_linted(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    code = main(["lint", str(path)])
    said = capsys.readouterr()
    findings = said.out.removesuffix("\n").split("\n") if said.out else []
    assert all(re.match(re.escape(str(path)) + r":\d+:\d+: .", row) and row.isprintable() for row in findings)
    if code == 2:
        assert "cannot be read" in said.err
    else:
        assert code == (1 if findings else 0)
        assert re.search(r"(?m)^\d+ ModelRollouts? in 1 file: \d+ problems?$", said.err)
