"""An answer that is read in pieces says what the whole says, wherever the pieces end; and servers take turns."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.prometheus import pieces
from modelrollout.adapters.prometheus.answer import AnswerReader
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.adapters.prometheus.turns import Pace, Turns

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["]],[", '"', '\\"]', "{}", "]", "\\"])
VALUE = st.floats().map(repr) | st.sampled_from(["NaN", "+Inf", "-Inf", "1", "", "no number"])
SAMPLES = st.lists(st.tuples(st.floats(0, 2e9) | st.integers(0, 2 * 10**9), VALUE), max_size=30)
OTHER = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    members: dict[str, Any] = {"metric": draw(st.dictionaries(TEXT, TEXT, max_size=5))}
    if draw(st.integers(0, 4)):
        members["values"] = [list(one) for one in draw(SAMPLES)]
    else:
        members["histograms"] = draw(OTHER)
    if draw(st.booleans()):
        members["more"] = draw(OTHER)
    names = draw(st.permutations(sorted(members)))
    return {name: members[name] for name in names}


def expected(found: list[dict[str, Any]]) -> list[Any]:
    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return float("nan")

    return [
        (
            tuple(sorted(one["metric"].items())),
            [float(at) for at, _ in one["values"]],
            [repr(number(value)) for _, value in one["values"]],
        )
        for one in found
        if "values" in one
    ]


@given(
    found=st.lists(entries(), max_size=8),
    around=st.dictionaries(st.sampled_from(["infos", "stats", "x"]), OTHER, max_size=3),
    size=st.sampled_from([256, 400, 1000, pieces.PIECE]),
    style=st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 2}]),
    wide=st.booleans(),
)
@pytest.mark.slow
def test_the_pieces_say_what_the_whole_says(found, around, size, style, wide):
    whole = {**around, "status": "success", "data": {"resultType": "matrix", "result": found}, "end": 1}
    body = json.dumps(whole, ensure_ascii=not wide, **style).encode(errors="surrogatepass")
    kept, pieces.PIECE = pieces.PIECE, size
    try:
        got = AnswerReader().read(body)
    except ValueError:
        # a bracket in a value's text, or one thing that is longer than a piece: refused, never misread
        assert size < pieces.PIECE or kept > size or any("]" in value for one in found for _, value in one["values"])
        return
    finally:
        pieces.PIECE = kept
    assert [(one.labels, one.times.tolist(), [repr(v) for v in one.values.tolist()]) for one in got] == expected(found)


@pytest.mark.slow
def test_a_long_series_is_put_together_again():
    points = [[1_000_000 + at / 1000, str(at)] for at in range(100_000)]
    body = json.dumps({"data": {"result": [{"metric": {"a": "b"}, "values": points}]}}).encode()
    reached: list[int] = []
    (one,) = AnswerReader(step=reached.append).read(body)
    assert np.array_equal(one.values, np.arange(100_000))
    assert max(np.diff([0, *reached, len(body)])) < pieces.PIECE + 100


@pytest.mark.alike(8)
@pytest.mark.parametrize("cut", range(1, 60))
def test_an_answer_that_ends_early_is_no_answer(cut):
    body = b'{"data":{"result":[{"metric":{"a":"b"},"values":[[1,"2"]]}]}}'
    with pytest.raises((ValueError, TypeError)):
        AnswerReader().read(body[:cut])
    with pytest.raises(ValueError, match="follows"):
        AnswerReader().read(body + body[:1])


def order_of(turns: Turns, having: str, seconds: float, *waiting: str) -> list[str]:
    """Who had a turn after `having`, which takes `seconds`, when these came one after the other."""
    order: list[str] = []

    def want(server: str) -> None:
        turns.enter(server)
        order.append(server)
        turns.leave(server, 1.0)

    turns.enter(having)
    threads = [threading.Thread(target=want, args=(name,), daemon=True) for name in waiting]
    for number, one in enumerate(threads, start=1):
        one.start()
        in_line(turns, number)
    turns.leave(having, seconds)
    for one in threads:
        one.join(10)
    return order


def in_line(turns: Turns, number: int) -> None:
    """Wait until so many wait for a turn."""
    end = time.monotonic() + 10
    while len(turns._waiting) < number:
        assert time.monotonic() < end, "nobody came"
        time.sleep(0.001)


def test_the_server_that_had_least_comes_next():
    order = order_of(Turns(), "first", 0.0, "greedy", "greedy", "greedy", "modest")
    assert order == ["greedy", "modest", "greedy", "greedy"]


def test_whoever_rested_does_not_have_all_turns_afterwards():
    turns = Turns()
    for name in ("a", "b"):
        turns.enter(name)
        turns.leave(name, 100.0)
    assert order_of(turns, "a", 1.0, "new", "new", "new", "b").index("b") < 3


@pytest.mark.slow
def test_nobody_waits_for_a_turn_whose_answer_is_over():
    turns, ended = Turns(), threading.Event()

    def over() -> None:
        raise Refused("PrometheusTimeout", "over")

    def wait() -> None:
        with pytest.raises(Refused):
            turns.enter("late", over)
        ended.set()

    turns.enter("stuck")
    threading.Thread(target=wait, daemon=True).start()
    assert ended.wait(10)
    assert turns._waiting == []
    turns.leave("stuck", 1.0)
    assert order_of(turns, "next", 0.0, "late") == ["late"]


def test_a_turn_ends_whatever_happens_in_it():
    turns = Turns()

    def over() -> None:
        raise Refused("PrometheusTimeout", "over")

    with pytest.raises(Refused), Pace(turns, "a", over) as pace:
        pace.step(pieces.PIECE)
    with pytest.raises(KeyError), Pace(turns, "a", lambda: None):
        raise KeyError
    turns.enter("b")  # would wait for ever
