"""`judge` says of past rollouts whether a gate would have fired, when, and with how much evidence."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from modelrollout.api.gates import AccuracyGate, ErrorRateGate, NonFiniteGate, VersusStable
from modelrollout.cli.commands import judge
from modelrollout.cli.commands.judge import judge_ticks
from modelrollout.cli.target import Failure
from modelrollout.cli.ticks import BadTicks, read_ticks
from tests.golden.judge import BAD_FILES, BAD_GATES, BAD_PROMISES, BAD_ROWS

HEADER = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
GATE = ErrorRateGate(name="errors", type="ErrorRate")


def rollout(name, candidate, ticks=240, stable=0.01, per_tick=(38, 712)):
    """Rows of a rollout in which exactly these shares of the requests are bad, evenly spread: nothing is drawn."""
    bad_c, bad_s = (
        np.diff(np.floor(np.cumsum(np.broadcast_to(share, ticks)) * number + 0.5), prepend=0).astype(int)
        for share, number in ((candidate, per_tick[0]), (stable, per_tick[1]))
    )
    counts = zip(bad_c.tolist(), bad_s.tolist(), strict=True)
    return [f"{name},{(t + 1) * 15},{c},{per_tick[0]},{s},{per_tick[1]}" for t, (c, s) in enumerate(counts)]


def judged(*rows, gate=GATE, **more):
    return judge_ticks(gate, [HEADER, *rows], **more)


def one(rows, gate=GATE, **more):
    return judged(*rows, gate=gate, **more)[0]


def test_a_bad_candidate_fails_within_minutes_and_a_good_one_passes():
    bad, good = judged(*rollout("bad", 0.05), *rollout("good", 0.01))
    assert (bad.rollout, bad.verdict) == ("bad", "FAIL")
    assert bad.time <= 300
    assert bad.evidence >= 25
    assert good.verdict == "PASS"
    assert good.evidence >= 20


def test_a_fail_keeps_its_first_time():
    healed = np.where(np.arange(240) < 40, 0.08, 0.0)
    whole = one(rollout("r", healed))
    assert whole.verdict == "FAIL"
    cut = one(rollout("r", healed)[: int(whole.time / 15)])
    assert (cut.verdict, cut.time, cut.evidence) == ("FAIL", whole.time, pytest.approx(whole.evidence))
    assert one(rollout("r", healed)[: int(whole.time / 15) - 1]).verdict != "FAIL"


def test_a_pass_is_dated_to_the_first_tick_of_the_standing_pass():
    rows = rollout("r", 0.005)
    whole = one(rows)
    assert whole.verdict == "PASS"
    first = int(whole.time / 15)
    assert one(rows[:first]).verdict == "PASS"
    assert one(rows[: first - 1]).verdict == "CONTINUE"


def test_a_pass_that_was_lost_is_dated_again():
    worse_for_a_while = np.where((np.arange(240) > 60) & (np.arange(240) < 90), 0.025, 0.007)
    rows = rollout("r", worse_for_a_while)
    early, late = one(rows[:60]), one(rows)
    assert early.verdict == late.verdict == "PASS"
    assert one(rows[:90]).verdict == "CONTINUE"
    assert late.time > 90 * 15 > early.time


def test_little_traffic_is_continue():
    standing = one(rollout("r", 0.01, ticks=12))
    assert (standing.verdict, standing.time) == ("CONTINUE", None)


def test_a_version_without_requests_is_no_data():
    for per_tick in ((0, 700), (38, 0)):
        standing = one(rollout("r", 0.01, per_tick=per_tick))
        assert (standing.verdict, standing.time, standing.evidence) == ("NO_DATA", None, 1.0)


def test_an_absolute_limit_needs_no_stable():
    gate = ErrorRateGate(name="errors", type="ErrorRate", max=0.02)
    assert one(rollout("r", 0.08, per_tick=(38, 0)), gate=gate).verdict == "FAIL"
    assert one(rollout("r", 0.001, per_tick=(38, 0)), gate=gate).verdict == "PASS"


@pytest.mark.slow
def test_a_gate_with_both_limits_fails_by_either_and_passes_by_both():
    gate = ErrorRateGate(name="e", type="ErrorRate", max=0.03, versus_stable=VersusStable(ratio=1.25, plus=0.001))
    assert one(rollout("r", 0.06), gate=gate).verdict == "FAIL"
    assert one(rollout("r", 0.06, stable=0.06), gate=gate).verdict == "FAIL"  # the absolute limit alone
    assert one(rollout("r", 0.025, stable=0.002), gate=gate).verdict == "FAIL"  # the margin alone
    assert one(rollout("r", 0.01), gate=gate).verdict == "PASS"
    assert one(rollout("r", 0.028, stable=0.028, ticks=60), gate=gate).verdict == "CONTINUE"


@pytest.mark.slow
def test_wrong_answers_and_nan_are_judged_by_their_own_margins():
    accuracy = AccuracyGate(name="a", type="Accuracy")
    assert one(rollout("r", 0.30, stable=0.08), gate=accuracy).verdict == "FAIL"
    assert one(rollout("r", 0.08, stable=0.08, ticks=900), gate=accuracy).verdict == "PASS"
    absolute = AccuracyGate(name="a", type="Accuracy", min=0.92)
    assert one(rollout("r", 0.12, stable=0.12), gate=absolute).verdict == "FAIL"
    nonfinite = NonFiniteGate(name="n", type="NonFinite")
    assert one(rollout("r", 0.0, stable=0.0), gate=nonfinite).verdict == "PASS"
    assert one(rollout("r", 0.02, stable=0.0), gate=nonfinite).verdict == "FAIL"


def test_a_smaller_promise_or_share_needs_more_evidence():
    rows = rollout("r", 0.04)
    strict = one(rows, false_rollback=0.001)
    part = one(rows, gate=ErrorRateGate(name="e", type="ErrorRate", share=0.1))
    usual = one(rows)
    assert usual.time <= part.time <= strict.time
    assert part.evidence >= 250
    assert strict.evidence >= 1250


def test_alternating_rollouts_of_any_length_are_judged_as_if_alone():
    parts = {f"r{k}": rollout(f"r{k}", 0.01 + 0.02 * (k % 3), ticks=20 + 31 * k) for k in range(7)}
    longest = max(map(len, parts.values()))
    mixed = [rows[t] for t in range(longest) for rows in parts.values() if t < len(rows)]
    together = judged(*mixed)
    assert [one.rollout for one in together] == list(parts)
    for verdict in together:
        alone = one(parts[verdict.rollout])
        assert (alone.verdict, alone.time) == (verdict.verdict, verdict.time)
        assert alone.evidence == pytest.approx(verdict.evidence)


def test_columns_may_stand_in_any_order_with_others_between_them():
    lines = [
        "note,stable_total,stable_bad,time,rollout,candidate_total,candidate_bad",
        "x,10,1,15,r,5,2",
        "",
        "y,11,0,30,r,6,0",
    ]
    assert read_ticks(lines)[0].values.tolist() == [[15, 2, 5, 1, 10], [30, 0, 6, 0, 11]]


@pytest.mark.alike(8)
@pytest.mark.parametrize("title", BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line(title):
    with pytest.raises(BadTicks, match="line 3"):
        judged("r,15,1,5,1,10", BAD_ROWS[title])


def test_time_may_start_again_in_another_rollout_but_not_go_back_within_one():
    assert len(judged("a,30,1,5,1,10", "b,15,1,5,1,10", "a,45,1,5,1,10")) == 2
    with pytest.raises(BadTicks, match="line 4: time"):
        judged("a,30,1,5,1,10", "b,15,1,5,1,10", "a,15,1,5,1,10")


@pytest.mark.parametrize("title", BAD_FILES)
def test_a_file_without_the_columns_or_without_rows_is_refused(title):
    with pytest.raises(BadTicks):
        read_ticks(BAD_FILES[title].splitlines())


@pytest.fixture
def command(tmp_path):
    parser = argparse.ArgumentParser()
    judge.add_parser(parser.add_subparsers())

    def run(gate, rows, *more):
        (tmp_path / "gate.yaml").write_text(gate)
        (tmp_path / "ticks.csv").write_text("\n".join([HEADER, *rows]) + "\n")
        args = parser.parse_args(["judge", "--gate", str(tmp_path / "gate.yaml"), str(tmp_path / "ticks.csv"), *more])
        return args.func(args)

    return run


def test_json_is_one_object_per_rollout_and_line(command, capsys):
    gate = '{name: errors, type: ErrorRate, versusStable: {ratio: 1.25, plus: "0.1%"}}'
    assert command(gate, rollout("bad", 0.05) + rollout("few", 0.01, ticks=5), "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(one) for one in found] == [["rollout", "verdict", "time", "evidence", "message"]] * 2
    assert (found[0]["verdict"], found[1]["verdict"], found[1]["time"]) == ("FAIL", "CONTINUE", None)


@pytest.mark.parametrize("title", BAD_GATES)
def test_a_gate_that_cannot_be_judged_is_refused(command, title):
    with pytest.raises(Failure):
        command(BAD_GATES[title], rollout("r", 0.01, ticks=3))


@pytest.mark.parametrize("promise", BAD_PROMISES)
def test_a_promise_that_is_none_is_refused(command, promise):
    with pytest.raises(Failure, match="--false-rollback"):
        command("{name: e, type: ErrorRate}", rollout("r", 0.01, ticks=3), "--false-rollback", promise)


def test_a_missing_file_is_named(command, tmp_path):
    with pytest.raises(Failure, match=r"nowhere\.csv"):
        judge.run(argparse.Namespace(gate=_written(tmp_path), false_rollback="5%", ticks="nowhere.csv", json=False))


def _written(folder):
    path = folder / "gate.yaml"
    path.write_text("{name: e, type: ErrorRate}")
    return path
