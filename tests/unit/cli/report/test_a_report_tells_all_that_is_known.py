from __future__ import annotations

import re
import sys
import tomllib
from itertools import pairwise

import pytest

from modelrollout.api.status import Status
from modelrollout.cli.report.facts import Kept
from modelrollout.cli.report.page import plots
from modelrollout.cli.report.page.document import text_of
from modelrollout.cli.report.page.numbers import limits, number
from modelrollout.cli.report.page.report import page
from modelrollout.cli.report.reading.subject import kept_of, subject_of, weights_of
from modelrollout.cli.target import Failure
from tests import ROOT
from tests.unit.cli.report.shown import Parsed, facts
from tests.unit.cli.rollouts import NOW, at, stepping

LEAST = 4.5
"""Contrast of text, by WCAG 2.2, level AA."""


@pytest.mark.slow  # draws
def test_every_plot_has_its_text_and_its_table():
    parsed = Parsed(page(facts(), "0.1.0"))
    pictures = parsed.of("svg")
    assert [one["role"] for one in pictures] == ["img"] * 4
    assert all(len(one["aria-label"]) > 40 for one in pictures)
    assert "0 % from" in pictures[0]["aria-label"]
    assert "candidate 1.0 %, stable 0.9 %" in pictures[1]["aria-label"]
    assert "it fails at 100:1" in pictures[2]["aria-label"]
    figures = len(parsed.of("figure"))
    assert figures == 4
    assert len(parsed.of("caption")) >= figures


def test_headings_go_down_one_at_a_time_and_every_section_is_a_landmark():
    parsed = Parsed(page(facts(plots=False), "0.1.0"))
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    identities = {attributes.get("id") for _, attributes in parsed.tags}
    assert all(one["aria-labelledby"] in identities for one in parsed.of("section"))
    assert {one["href"][1:] for one in parsed.of("a")} <= identities
    assert {tag for tag, _ in parsed.tags} >= {"header", "nav", "main", "footer", "title"}
    assert parsed.of("html") == [{"lang": "en"}]


def test_it_says_who_did_what_why_and_what_to_do_and_what_could_not_be_read():
    text = page(facts(plots=False), "0.1.0")
    for said in ("jane", "fine", "RolloutStarted", "errors 3.1 % above 1 %", "kubectl modelrollout retry digits"):
        assert said in text
    assert "kubectl modelrollout explain GateFailed" in text
    assert "Prometheus did not answer." in text
    assert "Nothing is known of its weights." in text


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_colour_of_text_and_line_can_be_read(mode: str):
    palettes = re.findall(r"^\s*:root \{(.*?)\}", text_of("style.css"), re.DOTALL | re.MULTILINE)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", palettes[("light", "dark").index(mode)]))
    assert len(colours) == 12
    for name in colours.keys() - {"back", "raised", "edge"}:
        for ground in ("back", "raised"):
            assert contrast(colours[name], colours[ground]) >= LEAST, (name, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_figures_of_every_gate_type_are_read_from_their_words():
    texts = (ROOT / "tests" / "golden" / "expected" / "gates.txt").read_text()
    observed, limit = (re.findall(rf"^    {key}: (.*)$", texts, re.MULTILINE) for key in ("observed", "limit"))
    assert [text for text in observed if number(text) is None] == []
    assert [text for text in limit if not limits(text) and "unknown" not in text] == []
    assert number("P99 <= 40 ms") == (40.0, "ms")
    assert number("P99 <= 1 s (the last bucket edge)") == (1000.0, "ms")
    assert limits("30 % to 70 %") == ((30.0, "%"), (70.0, "%"))
    assert number("unknown") is None


def status(**changes: object) -> Status:
    return Status.model_validate(stepping(**changes)["status"])


def test_the_rollout_in_progress_is_meant_or_else_the_last_that_ended():
    running = subject_of(status(), 0)
    assert running is not None
    assert (running.candidate, running.entry, running.newest) == ("2", None, True)
    before = subject_of(status(), 1)
    assert before is not None
    assert (before.candidate, before.ended_at, before.newest) == ("1", NOW - 7300, False)
    with pytest.raises(Failure, match=r"--ended is 2: status knows 1 rollouts that ended"):
        subject_of(status(), 2)
    assert subject_of(Status(), 0) is None


def test_weights_are_those_of_status_while_it_runs_and_those_that_were_kept_once_it_is_over():
    steps = [{"weight": 5, "startedAt": at(-1000)}, {"weight": 25, "startedAt": at(-480)}]
    running, ended = subject_of(status(steps=steps), 0), subject_of(status(), 1)
    assert running is not None
    assert ended is not None
    assert weights_of(running, status(steps=steps), Kept()) == ((NOW - 1100, 0), (NOW - 1000, 5), (NOW - 480, 25))
    assert weights_of(ended, status(), Kept()) == ()
    kept = Kept(steps=((10, NOW - 7900),))
    assert weights_of(ended, status(), kept) == ((NOW - 8000, 0), (NOW - 7900, 10), (NOW - 7300, 0))


NO_SENSE = (
    *("", "[]", "{", "[" * 100_000),
    '{"rollout": 3, "layers": []}',
    '{"rollout": {"steps": [{"weight": "x"}, 4, null]}}',
    '{"from": "x", "to": 4, "layers": {"stable": {"a": {"rows": 1e400, "histogram": {"1": true}}}}}',
)


@pytest.mark.parametrize("text", NO_SENSE, ids=range(len(NO_SENSE)))
def test_a_config_map_that_anybody_may_have_written_is_read_as_far_as_it_makes_sense(text: str):
    found = kept_of({"data": {"snapshot.json": text}})
    assert (found.steps, found.layers) == ((), None)


def test_the_extra_of_the_plots_is_declared():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [line.partition(">")[0] for line in extras["report"]] == ["matplotlib"]


def test_without_matplotlib_the_tables_say_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for drawing in (plots._over_time, plots._bars):
        monkeypatch.setattr(plots, drawing.__name__, drawing.__wrapped__)
    text = page(facts(), "0.1.0")
    parsed = Parsed(text)
    assert parsed.of("svg") == []
    assert len(parsed.of("figure")) == text.count("No plot: the figures are in the table.") == 4
    assert len(parsed.of("table")) >= 8
