"""What the process holds of answers: of one at the limit, of all together; and no server's answer costs another's."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from typing import Any

import pytest

from modelrollout.adapters.prometheus import limits
from modelrollout.adapters.prometheus.answer import AnswerReader, series_of
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.adapters.prometheus.room import Lease, Room
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import LedgerFailure
from tests.integration.borders.raw_server import response, saying, serving

MIB = 2.0**20
HEAD, TAIL = b'{"status":"success","data":{"resultType":"matrix","result":[', b"]}}"


def series(labels: dict[str, str], samples: int) -> bytes:
    points = b",".join(b'[1700000%03d.123,"12345"]' % (number % 1000) for number in range(samples))
    return b'{"metric":' + json.dumps(labels, ensure_ascii=False).encode() + b',"values":[' + points + b"]}"


def filled(entry: Any, most: int) -> bytes:
    """As many entries as an answer may have."""
    found, size = [], len(HEAD) + len(TAIL)
    for number in range(most):
        one = entry(number)
        size += len(one) + 1
        if size > limits.MAX_BYTES:
            break
        found.append(one)
    return HEAD + b",".join(found) + TAIL


MOST = limits.MAX_SERIES
BODIES = {
    "one series": lambda: HEAD + series({"a": "b"}, limits.MAX_SAMPLES) + TAIL,
    "many series": lambda: filled(lambda n: series({"n": str(n)}, 24), MOST),
    "many labels": lambda: filled(lambda n: series({f"l{k}": f"{n}-{k}" for k in range(40)}, 1), MOST),
    "other names of labels": lambda: filled(lambda n: series({f"l{n}-{k}": "" for k in range(60)}, 1), MOST),
    "wide labels": lambda: filled(lambda n: series({"a": f"{n}\U0001f600" + "a" * 700}, 1), MOST),
    "texts": lambda: HEAD + b'{"metric":{},"values":[' + b'"ab",' * (limits.MAX_COMMAS - 9) + b'"c"]}' + TAIL,
    "lists": lambda: HEAD + b'{"metric":{},"values":[' + b"[]," * limits.MAX_SAMPLES + b"[]]}" + TAIL,
    "objects": lambda: HEAD + b'{"a":1},' * (2 * MOST) + b'{"a":1}' + TAIL,
    "skipped": lambda: b'{"infos":[' + b"[1]," * limits.MAX_SAMPLES + b"[]]" + b',"data":{"result":[]}}',
    "a wide text": lambda: HEAD + b'"' + "\U0001f600".encode() + b"a" * (limits.MAX_BYTES - 99) + b'"' + TAIL,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BODIES)
def test_the_memory_of_one_answer_at_the_limit_is_bounded(what):
    body, room = BODIES[what](), Room()
    assert len(body) <= limits.MAX_BYTES
    lease, said = Lease(room, "s"), "read"
    tracemalloc.start()
    try:
        received = bytearray(body)
        lease.take(len(received))
        result = AnswerReader(take=lease.take).read(received)
        received.clear()
        lease.give(len(body))
        found = series_of(result, 0, 2e9)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it
        said = str(error)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{what}: {len(body) / MIB:.1f} MiB of JSON, at most {peak / MIB:.1f} MiB, in the end {held / MIB:.1f}; {said}"
    )
    assert peak < limits.MOST_MEMORY
    if said == "read":
        assert held < 1.2 * lease.bytes + MIB, "more is held than was taken of the process's room"
        assert found or what == "skipped"


async def test_a_large_answer_is_refused_where_others_have_the_room_and_a_small_one_never(ledger, monkeypatch):
    monkeypatch.setattr(ledger, "_room", room := Room(8 * 2**20))
    large = HEAD + series({"a": "b"}, 100_000) + TAIL
    small = HEAD + series({"a": "b"}, 1000) + TAIL
    async with serving(saying(response(large))) as first, serving(saying(response(small))) as second:
        one, other = PrometheusServer(name="one", url=first), PrometheusServer(name="other", url=second)
        answers = [await ledger.range(one, "up", 0, 2e9) for _ in range(12)]
        refused = [found for found in answers if isinstance(found, LedgerFailure)]
        assert {found.reason for found in refused} == {"AnswerTooLarge"}
        assert 1 < len(refused) < 12, "one server takes all the room or none"
        assert room.held <= room.most
        for _ in range(3):
            assert isinstance(await ledger.range(other, "up", 0, 2e9), tuple)
        del answers, refused
        gc.collect()
        assert room.held == 0, "room is not given back with the answer"
        assert isinstance(await ledger.range(one, "up", 0, 2e9), tuple)


def test_every_server_has_its_part_whatever_the_others_hold():
    room = Room(1000)
    for name in "abcde":
        room.expect(name)
    room.take("a", 600)  # its part of 100 and all that is lent
    with pytest.raises(Refused):
        room.take("b", 101)
    for name in "bcde":
        room.take(name, 100)
    assert room.held == 1000
    room.give("a", 1)
    room.take("b", 1)
    with pytest.raises(Refused):
        room.take("c", 1)


async def test_what_fails_gives_its_room_back(ledger):
    large = HEAD + series({"a": "b"}, 100_000)
    async with serving(saying(response(large))) as url:
        found = await ledger.range(PrometheusServer(name="one", url=url), "up", 0, 2e9)
    assert found.reason == "AnswerMalformed"
    async with asyncio.timeout(10):
        while ledger._room.held:  # noqa: ASYNC110 - nothing tells when a thread has ended
            await asyncio.sleep(0.02)
