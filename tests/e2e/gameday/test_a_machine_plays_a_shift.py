"""A shift of two faults, played by a machine that knows the answers: the product names both and does what is right."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gameday.desk import WIDTH, Desk
from tests.e2e.gameday.game import chosen, play

if TYPE_CHECKING:
    from tests.e2e.support.rollouts import Rollouts


@pytest.mark.long
@pytest.mark.timeout(500)
def test_the_product_names_what_strikes_and_the_best_answers_win(
    rollouts: Rollouts, capsys: pytest.CaptureFixture[str]
):
    desk, cases = Desk(io.StringIO(), random.Random(1), "best"), chosen("nan,prometheus")
    assert play(rollouts, desk, cases) == 0
    shown = capsys.readouterr().out
    assert "GateFailed: version 5 rolled back" in shown
    assert "Weights of version 5 since it struck: 0 %." in shown
    assert "Weights of version 2 since it struck: 40 %, 100 %." in shown, "it held 10 % until Prometheus was back"
    assert "4 of 4 points." in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= WIDTH
    results = [entry["result"] for entry in rollouts.started[-1].status()["history"]]
    assert results == ["Adopted", "RolledBack", "Promoted"]
