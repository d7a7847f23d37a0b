"""One run: every row to both versions, at a bounded rate, once somebody scrapes; then, and only then, it is Done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelrollout.core.preflight import PreflightReport, State
from modelrollout.prober.arms import Arm
from modelrollout.prober.asking.ask import Answer
from modelrollout.prober.counts import ArmCounts, said
from modelrollout.prober.golden.fit import GoldenRows

SILENT = 20
"""Rows in a row without an answer after which a version does not answer at all."""
AGAIN = 10.0
"""Seconds after which the set is sent again where stable did not answer."""
AT_ONCE = 16
"""Rows under way."""
LOOK = 0.1


@dataclass
class Run:
    """Its report is read at any time; `scrapes` says how often all series were fetched."""

    run: str
    asked: str
    state: State = "Waiting"
    rows: int = 0
    of: int = 0
    message: str = ""
    arms: tuple[ArmCounts, ...] = ()

    @property
    def report(self) -> PreflightReport:
        """The word on it now."""
        return PreflightReport(self.asked, self.run, self.state, self.rows, self.of, self.message)

    def say(self, state: State, message: str = "") -> None:
        """The state from now on."""
        self.state, self.message = state, message


async def replay(run: Run, golden: GoldenRows, arms: tuple[Arm, Arm], rate: float, scrapes: Callable[[], int]) -> None:
    """Stable's arm first. Whoever cancels it has another run in mind; the report of this one is then not read."""
    stable, candidate = arms
    run.of, run.arms = golden.rows, (stable.counts, candidate.counts)
    while True:
        run.rows = 0
        run.say("Waiting", "the series must be scraped first: nobody has asked for the prober's metrics yet")
        await _scraped(scrapes)
        run.say("Running")
        await _send_all(run, golden, arms, rate)
        if candidate.silent >= min(SILENT, golden.rows):
            run.say(
                "Unanswered",
                f"version {candidate.version} gave no answer to {candidate.silent} rows in a row: {candidate.why}",
            )
            return
        if stable.silent < min(SILENT, golden.rows):
            break
        run.say(
            "Waiting", f"stable version {stable.version} does not answer: {stable.why}; sent again in {AGAIN:.0f} s"
        )
        stable.silent = 0
        await asyncio.sleep(AGAIN)
    run.say("Running", "all rows sent; the last counts must be scraped")
    await _scraped(scrapes)
    run.say("Done")


async def _scraped(scrapes: Callable[[], int]) -> None:
    """Until somebody has read the series as they are now."""
    before = scrapes()
    while scrapes() == before:  # noqa: ASYNC110 - the exposition knows nothing of runs
        await asyncio.sleep(LOOK)


async def _send_all(run: Run, golden: GoldenRows, arms: tuple[Arm, Arm], rate: float) -> None:
    slots, began = asyncio.Semaphore(AT_ONCE), time.monotonic()
    async with asyncio.TaskGroup() as sending:
        for index in range(golden.rows):
            await asyncio.sleep(max(0.0, began + index / rate - time.monotonic()))
            await slots.acquire()
            if any(arm.silent >= SILENT for arm in arms):
                slots.release()
                return
            sending.create_task(_send(run, golden, arms, index, slots))


async def _send(run: Run, golden: GoldenRows, arms: tuple[Arm, Arm], index: int, slots: asyncio.Semaphore) -> None:
    """Both get it at the same time: neither has the quieter moment."""
    try:
        row = golden.row(index)
        answers = await asyncio.gather(*(arm.ask(index, row, golden.dtypes) for arm in arms))
        _judge(golden, arms, index, answers)
        run.rows += 1
    finally:
        slots.release()


def _judge(golden: GoldenRows, arms: tuple[Arm, Arm], index: int, answers: list[Answer | None]) -> None:
    """Against the labels, where there are any, and against what stable said."""
    spoken = [None if answer is None else said(answer.get(golden.output)) for answer in answers]
    for arm, answer, word in zip(arms, answers, spoken, strict=True):
        if golden.labels is not None and answer is not None:
            arm.counts.judge("golden", right=word is not None and word == int(golden.labels[index]))
    if answers[0] is not None and answers[1] is not None and spoken[0] is not None:
        for arm, word in zip(arms, spoken, strict=True):
            arm.counts.judge("shadow", right=word == spoken[0])
