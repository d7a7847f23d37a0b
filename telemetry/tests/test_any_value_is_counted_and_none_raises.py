"""The plain-Python API takes whatever a server has at hand: counted, or dropped with a reason, and nothing raises."""

from __future__ import annotations

import array
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from series_reading import value_of, values_of

from activation_health import GoldenSet, LabelJoiner, Layer, Monitor
from activation_health.labels import MAX_ANSWER
from activation_health.sinks.text import render
from activation_health.spec import REASONS

DROPPED = "model_activation_dropped_observations_total"


class Hostile:
    """Everything that can be asked of it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __len__ = __array__ = __float__ = __index__ = __iter__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]


class FrameLike:
    """As a pandas object looks from here."""

    dtype = "float64"
    shape = (2, 4)
    values = np.ones((2, 4))

    def __array__(self, *_: object, **__: object) -> Any:
        return self.values

    def __len__(self) -> int:
        return 2


class Own(np.ndarray):
    """A subclass that computes in its own way."""

    def __array_ufunc__(self, *_: object, **__: object) -> Any:
        raise RuntimeError("not this one")


def read_only() -> Any:
    made = np.ones((2, 4))
    made.setflags(write=False)
    return made


MEASURED: dict[str, Any] = {
    "read-only": read_only(),
    "reversed": np.ones((2, 4))[::-1, ::-1],
    "by columns": np.asfortranarray(np.ones((2, 4))),
    "broadcast": np.broadcast_to(np.float32(1), (2, 4)),
    "a matrix": np.ones((2, 4)).view(np.matrix),
    "an own subclass": np.ones((2, 4)).view(Own),
    "of the other byte order": np.ones((2, 4), ">f4"),
    "unaligned": np.frombuffer(b"\0" * 33, "u1")[1:].view("<f4").reshape(2, 4),
}
REFUSED: dict[str, tuple[Any, str | None]] = {
    "masked": (np.ma.masked_array(np.ones((2, 4)), mask=[[True, False, False, False]] * 2), "dtype"),
    "a frame": (FrameLike(), "dtype"),
    "objects": (np.ones((2, 4), object), "dtype"),
    "ragged": ([[1.0], [1.0, 2.0]], "dtype"),
    "a memoryview": (np.ones((2, 4)).data, "dtype"),
    "an array of Python's": (array.array("d", [1, 2]), "dtype"),
    "text": ("1 2 3 4", "dtype"),
    "texts": (np.array([["1"] * 4] * 2), "dtype"),
    "dates": (np.zeros((2, 4), "M8[s]"), "dtype"),
    "fields": (np.zeros((2, 4), [("a", "f4")]), "dtype"),
    "a huge number": (10**400, "dtype"),
    "None": (None, "dtype"),
    "hostile": (Hostile(), None),
    "one axis": (np.ones(4), "rank"),
    "nothing": (np.ones((0, 4)), "empty"),
    "another width": (np.ones((2, 5)), "width"),
}


def monitor_of(**options: Any) -> Monitor:
    return Monitor("m", "1", [Layer("h", units=4)], window=4, rows_per_second=1e12, **options)


@pytest.mark.alike(10)
@pytest.mark.parametrize("one_in", [1, 2])
@pytest.mark.parametrize("kind", [*MEASURED, *REFUSED])
def test_any_object_is_measured_or_counted_as_dropped(kind: str, one_in: int) -> None:
    monitor = monitor_of(one_in=one_in)
    value, reason = (MEASURED[kind], "") if kind in MEASURED else REFUSED[kind]
    for _ in range(4):
        monitor.observe("h", value)
    found = {why: n for why in REASONS if (n := value_of(monitor, DROPPED, why))}
    samples = value_of(monitor, "model_activation_samples_total", "h")
    if kind in MEASURED:
        assert (found, samples) == ({}, 8 // one_in)
    else:
        assert samples == 0
        assert sum(found.values()) >= 4 // one_in
        assert reason is None or set(found) == {reason}
    assert len(monitor.last_refusal) <= 500


def test_an_array_changed_afterwards_stays_what_it_was() -> None:
    monitor, rows = monitor_of(), np.zeros((2, 4), np.float32)
    monitor.observe("h", rows)
    rows[:] = 1
    assert value_of(monitor, "model_activation_zero_elements_total", "h") == 8


NAMES: list[Any] = ["\ud800", "x" * 10_000, "\u6f22", None, 5, ["h"], Hostile()]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_any_name_of_a_layer_is_counted(number: int) -> None:
    monitor, layer = monitor_of(), NAMES[number]
    monitor.observe(layer, np.ones((2, 4)))
    monitor.set_alpha(layer, [0.1])
    assert sum(value_of(monitor, DROPPED, why) for why in ("unknown_layer", "internal")) == 2
    assert len(monitor.last_refusal) <= 500


SLOPES: list[Any] = [[], [float("nan")], [float("inf")], "slopes", None, Hostile(), [[1.0], [1.0, 2.0]]]


@pytest.mark.parametrize("number", range(len(SLOPES)))
def test_slopes_that_are_none_are_counted(number: int) -> None:
    monitor = monitor_of()
    monitor.set_alpha("h", SLOPES[number])
    assert sum(value_of(monitor, DROPPED, why) for why in REASONS) == 1
    assert not any("alpha" in name for name, _ in values_of(monitor))


@pytest.mark.parametrize("name", ["\u6f22\u5b57", "\u0444", "e\u0301", "a b", 'a"b\\c', "\U0001f600", "x" * 128])
def test_names_of_any_alphabet_reach_the_page(name: str) -> None:
    page = render(Monitor(name, name, [name]))
    assert page.encode()
    assert name.replace("\\", "\\\\").replace('"', '\\"') in page


@pytest.mark.parametrize("name", ["", "x" * 10_000, "\ud800", "a\x00b"])
def test_names_that_no_page_can_carry_are_refused_at_once(name: str) -> None:
    for arguments in ((name, "1"), ("m", name), ("m", "1", [name])):
        with pytest.raises(ValueError, match=r"characters|layer name"):
            Monitor(*arguments)


@pytest.mark.parametrize(
    "options",
    [
        *({"window": "200"}, {"window": float("nan")}, {"one_in": None}, {"rows_per_second": "50"}),
        *({"rows_per_second": float("nan")}, {"rows_per_second": None}),
    ],
)
def test_numbers_of_another_type_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        Monitor("m", "1", **options)
    assert Monitor("m", "1", window=np.int64(7)).window == 7  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"units": "8"}, {"units": True}, {"channel_axis": "1"}, {"channel_axis": 1.5}, {"dormant_tau": "0.1"}]
)
def test_a_layer_of_other_types_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Layer("h", **options)


SECONDS = st.floats() | st.sampled_from([None, "1", 10**400, Decimal("0.5"), Fraction(1, 3), np.float32(0.2)])
COUNTS = st.integers(-3, 3) | st.sampled_from([None, 0.5, float("nan"), "1", np.int64(2), 10**30])


@given(st.lists(st.tuples(SECONDS, st.booleans(), COUNTS), max_size=6))
def test_any_request_is_counted_or_dropped_and_no_counter_falls(requests: list[Any]) -> None:
    monitor = monitor_of()
    before = values_of(monitor)
    for seconds, failed, count in requests:
        monitor.request(seconds, failed=failed, count=count)
        now = values_of(monitor)
        assert all(np.isfinite(float(now[key])) and now[key] >= before[key] for key in before)
        before = now
    refused = sum(not isinstance(count, int | np.int64) or count < 0 for _, _, count in requests)
    assert value_of(monitor, DROPPED, "internal") == refused


def test_a_hostile_request_is_counted() -> None:
    monitor = monitor_of()
    monitor.request(Hostile(), failed=Hostile())  # type: ignore[arg-type]
    monitor.request(0.1, count=Hostile())  # type: ignore[arg-type]
    monitor.judged(Hostile(), correct=Hostile(), total=Hostile())  # type: ignore[arg-type]
    assert value_of(monitor, DROPPED, "internal") >= 2


ANSWERS: list[Any] = [
    *(
        [1, 2],
        [[1], [1, 2]],
        "ab",
        ["a", None],
        None,
        Hostile(),
        FrameLike(),
        np.ma.masked_array([1, 2], mask=[False, True]),
    ),
    *([10**400, 1], [float("nan"), 1.0], memoryview(b"ab"), {"a": 1}, [Hostile(), Hostile()], np.zeros(MAX_ANSWER), 1),
    *([[[]]], np.array([1, "a"], object), [True, False], np.array(["1", "2"]), [b"1", b"2"]),
]


@pytest.mark.alike(5)
@pytest.mark.parametrize("label", range(len(ANSWERS)))
@pytest.mark.parametrize("answer", range(len(ANSWERS)))
def test_any_answer_meets_any_label(answer: int, label: int) -> None:
    monitor = monitor_of()
    joiner = LabelJoiner(monitor.evals)
    joiner.answered("a", ANSWERS[answer])
    joiner.labelled("a", ANSWERS[label])
    monitor.evals.compare("shadow", ANSWERS[answer], ANSWERS[label])
    judged, correct, lost = monitor.evals.totals()
    assert all(0 <= correct[source] <= judged[source] for source in judged)
    assert sum(judged.values()) or sum(lost.values()) or np.size(ANSWERS[answer]) == 0


def test_a_golden_set_stays_what_it_was() -> None:
    inputs, expected = np.ones((4, 2)), np.ones(4)
    golden, monitor = GoldenSet(inputs, expected), monitor_of()
    inputs[:], expected[:] = 0, 0

    def predict(rows: Any) -> Any:
        rows *= 2  # in place, as normalizing does
        return rows[:, 0] / 2

    for _ in range(2):
        golden.replay(predict, monitor.evals)
    assert value_of(monitor, "model_eval_correct_total", "golden") == 8
    with pytest.raises(ValueError, match="batch=0"):
        golden.replay(predict, monitor.evals, batch=0)


LOST_ANSWERS: list[Any] = [None, [[1], [1, 2]], Hostile(), "1234", np.zeros((4, 2))]


@pytest.mark.parametrize("number", range(len(LOST_ANSWERS)))
def test_answers_to_a_golden_set_that_are_none_are_lost(number: int) -> None:
    monitor, answers = monitor_of(), LOST_ANSWERS[number]
    GoldenSet(np.ones((4, 2)), np.ones(4)).replay(lambda _: answers, monitor.evals)
    assert value_of(monitor, "model_eval_total", "golden") == 0
    assert value_of(monitor, "model_eval_lost_total", "mismatched") >= 1


@pytest.mark.slow
def test_readers_and_writers_in_many_threads_agree_in_the_end() -> None:
    monitor, done = monitor_of(), []
    joiner = LabelJoiner(monitor.evals, capacity=10_000)

    def work(thread: int) -> None:
        for number in range(100):
            monitor.observe("h", np.ones((1, 4)))
            monitor.request(0.1)
            joiner.answered(f"{thread}-{number}", [1])
            joiner.labelled(f"{thread}-{number}", [1])
            list(monitor.collect())
        done.append(thread)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    assert value_of(monitor, "model_activation_samples_total", "h") == 400
    assert value_of(monitor, "model_eval_correct_total", "labels") == 400


@pytest.mark.slow
@given(st.lists(st.integers(0, 4), max_size=4), st.sampled_from(["f2", "f4", "f8", "i4", "?", "c8", "O", "U1"]))
def test_any_form_and_type_is_measured_or_dropped(shape: list[int], kind: str) -> None:
    monitor = Monitor("m", "1", ["h"], rows_per_second=1e12)
    value = np.zeros(shape, kind)
    monitor.observe("h", value)
    dropped = sum(value_of(monitor, DROPPED, why) for why in REASONS)
    assert dropped + bool(value_of(monitor, "model_activation_samples_total", "h")) == 1
    assert value_of(monitor, DROPPED, "internal") == 0
