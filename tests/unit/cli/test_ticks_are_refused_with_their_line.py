from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.gates import ErrorRateGate
from modelrollout.cli.commands.judge import Judgement, judge_ticks
from modelrollout.cli.main import main
from modelrollout.cli.printing import clean
from modelrollout.cli.ticks import BadTicks, lines_of, read_ticks, reading

HEADER = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
GOOD = f"{HEADER}\nr,15,1,5,1,10\nr,30,0,6,0,11\n"
GATE = ErrorRateGate(name="errors", type="ErrorRate")


def read(data: bytes | str):
    return read_ticks(lines_of(io.BytesIO(data.encode() if isinstance(data, str) else data)))


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.replace("rollout,", '"rollout",').encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.replace("\n", "\n\n").rstrip().encode(),
        GOOD.replace("r,", '"r",').encode(),
        GOOD.replace(",", " , ").encode(),
        "\n".join(f"{line}{',x' * 5000}" for line in GOOD.splitlines()).encode(),
    ],
)
def test_spreadsheets_and_systems_write_one_file_in_many_ways(data: bytes):
    assert read(data)[0].values.tolist() == [[15, 1, 5, 1, 10], [30, 0, 6, 0, 11]]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (GOOD.encode("utf-16"), "line 1: byte 1 is not UTF-8"),
        (GOOD.encode("utf-16-le"), "line 1: a NUL byte"),
        (GOOD.encode() + b"r\xff,45,1,5,1,10\n", "line 4: byte 2 is not UTF-8"),
        (GOOD.encode() + b"\0" * 100, "line 4: a NUL byte"),
        (GOOD.encode() + b"r" * (1 << 20) + b"s", "line 4: longer than 1 MiB"),
        (GOOD.encode() + b'r,45,"1,5,1,10\n' + b"r,60,1,5,1,10\n" * 9, "line 4: no CSV"),
        (GOOD.encode() + b"r,45," + b"9" * 200_000 + b",5,1,10\n", "line 4: no CSV: field larger"),
        (GOOD.encode().replace(b"\n", b"\r") + b"r,45", "line 4: 2 fields"),
    ],
)
def test_what_is_no_text_or_no_csv_is_refused_at_its_line(data: bytes, says: str):
    with pytest.raises(BadTicks) as caught:
        read(data)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("1700000045000", "1700000045"), ("1.700000045e15", "1700000045"), ("1700000045000000000", "1700000045")],
)
def test_the_sentence_gives_the_time_in_seconds(time: str, seconds: str):
    with pytest.raises(BadTicks, match=rf"^line 2: time is .*; write seconds, here {seconds}$"):
        read(f"{HEADER}\nr,{time},1,5,1,10\n")


@pytest.mark.parametrize("text", ["2023-11-14T22:14:05Z", "2023-11-14 22:14:05", "2023-11-14T23:14:05+01:00"])
def test_a_date_is_answered_with_its_seconds(text: str):
    with pytest.raises(BadTicks, match=r"^line 2: time is .*: write seconds, here 1700000045$"):
        read(f"{HEADER}\nr,{text},1,5,1,10\n")


def counters(ticks: int = 40, *, restart: int | None = None, idle: float = 0.0) -> list[list[float]]:
    """Totals since the start of a process, which may begin again in the middle."""
    rng = np.random.default_rng(0)
    counted = rng.poisson((0.4, 38, 7, 712), (ticks, 4)) * (rng.random((ticks, 1)) >= idle)
    counted[:, 0], counted[:, 2] = np.minimum(counted[:, 0], counted[:, 1]), np.minimum(counted[:, 2], counted[:, 3])
    total = counted.cumsum(axis=0)
    if restart is not None:
        total[restart:] -= total[restart - 1]
    return total.tolist()


def csv_of(rows: Sequence[Sequence[float]], start: float = 0.0) -> str:
    lines = (f"r,{start + 15 * (k + 1)},{','.join(f'{value:g}' for value in row)}" for k, row in enumerate(rows))
    return "\n".join([HEADER, *lines])


@pytest.mark.parametrize("rows", [counters(), counters(10), counters(restart=20), counters(200, idle=0.4)])
def test_counters_that_grow_since_the_start_are_refused(rows: list[list[float]]):
    with pytest.raises(BadTicks, match=r"^line 2: candidate_total of rollout r grows .* as a counter does: "):
        read(csv_of(rows))
    assert read_ticks(csv_of(rows).splitlines(), increments=True)[0].values[:, 1:].tolist() == rows


@pytest.mark.parametrize("arm", [0, 2])
def test_counters_of_one_version_alone_are_refused(arm: int):
    rows, other = np.array(counters()), np.diff(counters(41), axis=0)
    rows[:, arm : arm + 2] = other[:, arm : arm + 2]
    with pytest.raises(BadTicks, match=f"{'stable' if arm == 0 else 'candidate'}_total"):
        read(csv_of(rows.tolist()))


@pytest.mark.alike(4)
@pytest.mark.parametrize("seed", range(20))
def test_traffic_that_grows_is_not_taken_for_counters(seed: int):
    rng = np.random.default_rng(seed)
    steps = np.repeat([0.05, 0.25, 0.5, 1.0], 40)[:, None]
    morning = np.linspace(1, 3, 160)[:, None]
    totals = rng.poisson(750 * morning * np.hstack([steps, 1.0 + 0 * steps]))
    bad = rng.binomial(totals, np.linspace(0.01, 0.2, 160)[:, None])
    rows = np.column_stack([bad[:, 0], totals[:, 0], bad[:, 1], totals[:, 1]]).tolist()
    assert len(read(csv_of(rows))) == 1


@pytest.mark.alike(4)
@pytest.mark.parametrize("seed", range(20))
def test_little_traffic_that_falls_to_half_and_less_is_not_taken_for_counters(seed: int):
    totals = np.random.default_rng(seed).choice([1, 4, 16], (40, 2)).repeat(2, axis=1)
    assert len(read(csv_of((totals * [0, 1, 0, 1]).tolist()))) == 1


@pytest.mark.parametrize("text", ["5_0", "1_000", "'1'000".strip("'")])
def test_digits_in_groups_are_no_number(text: str):
    with pytest.raises(BadTicks, match=r"^line 2: candidate_total is .*: write digits without separators"):
        read(f"{HEADER}\nr,15,1,{text},1,10\n")


def test_a_negative_time_is_said_as_such():
    with pytest.raises(BadTicks, match=r"^line 2: time is -30: write seconds from 0 on$"):
        read(f"{HEADER}\nr,-30,1,5,1,10\n")


def test_the_same_numbers_at_every_tick_are_no_counters():
    assert len(read(csv_of([[0, 38, 7, 712]] * 40))) == 1
    assert len(read(csv_of([[0, 38, 7, 712]] * 20 + [[0, 100, 7, 650]] * 20))) == 1


def test_a_file_has_a_largest_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "MOST_TICKS", 3)
    with pytest.raises(BadTicks, match="line 5: more than 3 ticks"):
        read_ticks(itertools.chain([HEADER], (f"r,{15 * k},1,5,1,10" for k in itertools.count(1))))
    monkeypatch.setattr(reading, "MOST_TICKS_OF_ONE", 2)
    with pytest.raises(BadTicks, match="rollout r has more than 2 ticks"):
        read(f"{GOOD}r,45,1,5,1,10\n")


FIELD = st.sampled_from(
    ["", "0", "1", "5", "-1", "1e9", "1e308", "1e999", "nan", "1_0", "\u0663", '"', "r", "\x1b[2J", "0x5", " 7 ", "1,5"]
) | st.floats().map(str)
TIME = st.sampled_from(["15", "30", "1700000000", "1e11", "-0.0", "5e-324", "2023-11-14", "9" * 30]) | FIELD
ROW = st.tuples(st.sampled_from(["a", "b", "::error::c", "\u202e"]), TIME, FIELD, FIELD, FIELD, FIELD).map(",".join)
NUMBER = st.integers(0, 10**6).map(str) | st.floats(0, 2.0**53).map(str)
SOUND = st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), max_size=30)


def judged_or_refused(lines: Iterable[str], **more: bool) -> tuple[list[Judgement], str]:
    try:
        return judge_ticks(GATE, lines, **more), ""
    except BadTicks as error:
        return [], str(error)


@given(st.lists(ROW, max_size=5))
def test_any_rows_are_judged_or_refused_in_one_sentence(rows: list[str]):
    judged, refusal = judged_or_refused([HEADER, *rows])
    assert judged or "line " in refusal or "no ticks" in refusal
    assert all(text.isprintable() for text in (clean(refusal), *(one.message for one in judged)))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_judged_or_refused_in_one_sentence(data: bytes, header: bool):
    judged, refusal = judged_or_refused(lines_of(io.BytesIO(HEADER.encode() + b"\n" + data if header else data)))
    assert judged or "line " in refusal or "no ticks" in refusal


@given(SOUND, st.floats(0, 1e11 - 1e6), st.floats(1e-3, 1e4))
def test_any_counts_at_any_times_get_a_verdict(rows: list[tuple[str, ...]], start: float, step: float):
    sound = [[min(float(b), float(t)), float(t), min(float(d), float(s)), float(s)] for b, t, d, s in rows]
    times = start + step * np.arange(1, len(rows) + 1)
    lines = [f"r,{time!r},{','.join(map(repr, row))}" for time, row in zip(times.tolist(), sound, strict=True)]
    judged, refusal = judged_or_refused([HEADER, *lines], increments=True)
    if refusal:
        assert not rows or "time of rollout r is again" in refusal  # a step below what a float can tell
    else:
        assert judged[0].verdict in ("PASS", "FAIL", "CONTINUE", "NO_DATA")
        assert "nan" not in judged[0].message.split()


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "gate.yaml").write_text("{name: e, type: ErrorRate}")
    for name in (tmp_path, tmp_path / "nowhere.csv"):
        assert main(["judge", "--gate", str(tmp_path / "gate.yaml"), str(name)]) == 1
        assert f"error: {name}: cannot be read: " in capsys.readouterr().err
