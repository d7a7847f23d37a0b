from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.cli.report.live.overview import Row, overview
from modelrollout.cli.report.page.document import digest, policy, text_of
from modelrollout.cli.report.page.report import page
from tests.unit.cli.report.shown import Parsed, facts
from tests.unit.cli.rollouts import NOW

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></table><svg/onload=alert(1)>",
    "'><a href='javascript:alert(1)'>x</a>",
    "&lt;b&gt;&#60;i&#62;",
    "\u202e\x1b[31m\x00\ud800]]>-->`$x$`",
)
hostile = st.one_of(st.sampled_from(EVIL), st.text(min_size=1, max_size=40))


def shape(parsed: Parsed) -> set[tuple[str, frozenset[str]]]:
    """Which elements there are, each with its attributes' names; backticks make <code> of a part of a sentence."""
    return {(tag, frozenset(attributes)) for tag, attributes in parsed.tags if tag != "code"}


HARMLESS = shape(Parsed(page(facts(text="x", plots=False), "0")))


@given(hostile)
@example(EVIL[0])
@example(EVIL[1])
@example(EVIL[5])
def test_whatever_names_and_sentences_hold_the_page_has_the_same_elements(text: str):
    parsed = Parsed(page(facts(text=text, plots=False), "0"))
    assert shape(parsed) == HARMLESS
    check(parsed)


def check(parsed: Parsed) -> None:
    assert not parsed.of("script")
    assert not parsed.of("img")
    for tag, attributes in parsed.tags:
        assert not [key for key in attributes if key.startswith("on") or key in {"style", "src", "srcdoc", "action"}], (
            tag
        )
        assert attributes.get("href", "#").startswith("#"), tag
    identities = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(identities) == len(set(identities))


@pytest.mark.slow  # draws
def test_nor_does_a_plot_hold_anything_of_it():
    evil, harmless = (Parsed(page(facts(text=text), "0")) for text in (EVIL[1] + "$x^2$", "x"))
    check(evil)
    assert len(evil.of("svg")) == 4
    assert shape(evil) == shape(harmless)


@given(hostile, hostile)
def test_a_link_to_a_rollout_stays_on_the_page_whatever_it_is_called(namespace: str, name: str):
    parsed = Parsed(overview([Row(namespace, name, facts(text=name, plots=False).status)], NOW))
    (link,) = [one["href"] for one in parsed.of("a") if not one["href"].startswith("#")]
    assert re.fullmatch(r"rollouts/[-A-Za-z0-9_.~%]*/[-A-Za-z0-9_.~%]*", link)
    assert len(parsed.of("script")) == 1


def test_a_report_lets_nothing_be_loaded_and_only_its_own_style_be_used():
    parsed = Parsed(page(facts(plots=False), "0"))
    (content,) = [one["content"] for one in parsed.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert content == policy()
    style = digest(parsed.text["style"])
    assert content == f"default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'"


def test_the_live_page_runs_its_own_script_alone():
    parsed = Parsed(overview([], NOW))
    assert parsed.text["script"] == text_of("live.js")
    assert f"script-src {digest(parsed.text['script'])}; connect-src 'self'" in policy(live=True)
    assert "unsafe" not in policy(live=True)
