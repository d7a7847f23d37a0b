"""What an answer repeats of the one before is not read again, and what is found is what reading everything finds."""

from __future__ import annotations

import json
import random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.prometheus import going_on, pieces, together
from modelrollout.adapters.prometheus.answer import AnswerReader
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.adapters.prometheus.going_on import LastAnswer, LastAnswers

NAMES = ("errors", "réponses", "层", 'a"],["b', "]]},{", 'x","y', "values", "{\\", "long" * 60)
VALUES = ("0", "1", "12", "1e+06", "NaN", "+Inf", "-Inf", "0.30000000000000004", "1234567890123456789")
Samples = list[tuple[float, str]]


def written(series: dict[str, Samples]) -> bytes:
    """As Prometheus writes it."""
    result = [
        {"metric": {"__name__": name, "values": name}, "values": [list(one) for one in samples]}
        for name, samples in series.items()
    ]
    whole = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def read(body: bytes, last: LastAnswer | None = None) -> Any:
    try:
        found = AnswerReader(last=last).read(body)
    except (ValueError, TypeError, Refused) as error:
        return type(error)
    return [(one.labels, one.times.tolist(), [repr(value) for value in one.values.tolist()]) for one in found]


def one_by_one(body: bytes) -> Any:
    """Without the form in which servers write."""
    with mock.patch.object(pieces.Pieces, "run", return_value=None):
        return read(body)


class World:
    """Samples of some series, of which some come late, are rewritten, vanish or begin anew."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.every: dict[str, Samples] = {name: [] for name in self.rng.sample(NAMES, self.rng.randint(2, len(NAMES)))}

    def scrape(self, at: int) -> None:
        offset = self.rng.choice([0.0, 0.0, 0.25])
        for number, samples in enumerate(self.every.values()):
            if self.rng.random() > 0.03:
                samples.append((at + number % 2 / 2 + offset, self.value()))

    def value(self) -> str:
        return self.rng.choice(VALUES) if self.rng.random() < 0.999 else "no number"

    def disturb(self) -> None:
        """Once in a while what no well-behaved server does."""
        name, what = self.rng.choice(sorted(self.every)), self.rng.randint(0, 12)
        samples = self.every[name]
        if what == 0 and samples:
            samples[self.rng.randrange(len(samples))] = (samples[-1][0], self.value())
        elif what == 1 and samples:
            del samples[self.rng.randrange(len(samples))]
        elif what == 2:
            self.every[name] = []
        elif what == 3:
            self.every[f"new{len(self.every)}"] = list(samples)
        elif what == 4:
            order = list(self.every)
            self.rng.shuffle(order)
            self.every = {one: self.every[one] for one in order}

    def answer(self, since: float) -> bytes:
        seen = {name: [one for one in samples if one[0] > since] for name, samples in self.every.items()}
        return written({name: samples for name, samples in seen.items() if samples})


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), size=st.sampled_from([300, 1000, pieces.PIECE]), back=st.integers(1, 8))
def test_what_goes_on_is_what_is_read_from_the_beginning(seed, size, back):
    world, last = World(seed), LastAnswer()
    with mock.patch.object(pieces, "PIECE", size):
        for at in range(25):
            world.scrape(at)
            world.disturb()
            body = world.answer(at - back - world.rng.choice([0.0, 0.5]))
            assert read(body, last) == read(body) == one_by_one(body)


@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_byte_that_differs_is_seen(seed, data):
    world, last = World(seed), LastAnswer()
    for at in range(12):
        world.scrape(at)
    read(world.answer(2), last)
    world.scrape(12)
    body = bytearray(world.answer(3))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'0123456789.,[]{}"\\:e- \xc3'))
    assert read(bytes(body), last) == one_by_one(bytes(body))


@pytest.mark.alike(2)
@pytest.mark.parametrize("time", ["01", "1.", ".5", "+1", "1_0", "0x1", "1e", "NaN", "-0.5e3", " 1 "])
def test_a_time_is_a_number_as_json_has_them(time):
    body = written({name: [(7.25, "1"), (8.25, "2")] for name in "abcd"}).replace(b"7.25", time.encode())
    assert repr(read(body)) == repr(one_by_one(body))  # NaN is not equal to itself


def test_an_answer_that_breaks_off_leaves_what_was_known():
    last = LastAnswer()
    body = written({name: [(1.0, "1"), (2.0, "2")] for name in "abc"})
    read(body, last)
    known = last.series
    assert isinstance(read(body[:-4], last), type)
    assert last.series is known
    assert last.bytes > 0


def test_what_repeats_is_not_read_again():
    names = [f"s{number}" for number in range(50)]
    last = LastAnswer()
    read(written({name: [(float(at), str(at)) for at in range(20)] for name in names}), last)
    body = written({name: [(float(at), str(at)) for at in range(2, 22)] for name in names})
    seen: list[int] = []

    def counting(samples: list[bytes]) -> Any:
        seen.append(sum(one.count(b"],[") + 1 for one in samples))
        return together.numbers(samples)

    with mock.patch.object(going_on, "numbers", counting):
        assert read(body, last) == one_by_one(body)
    assert sum(seen) == 2 * (len(names) - 1)  # the last series of an answer has no mark behind it


@pytest.mark.parametrize(("most", "idle", "stays"), [(0, 600.0, False), (10**9, -1.0, False), (10**9, 600.0, True)])
def test_what_is_kept_is_bounded_and_the_newest_stays(monkeypatch, most, idle, stays):
    monkeypatch.setattr(going_on, "IDLE", idle)
    every = LastAnswers(most)
    for number in range(5):
        one = every.of("s", f"query {number}")
        read(written({name: [(1.0, "1")] for name in "abc"}), one)
    assert every.of("s", "query 4").bytes > 0
    assert (every.of("s", "query 0").bytes > 0) is stays
