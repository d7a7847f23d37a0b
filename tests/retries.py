"""CI's only retry: at most two end-to-end tests that failed are run a second time, once each, and named at the end.

They share a machine with real components that can stand still for seconds; nothing else has that excuse. The budget is
a folder, named by RETRIES, that all workers and all sessions of one CI run share; without it nothing is retried.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

RETRIES = "MODELROLLOUT_RETRIES"
MOST = 2
_FIRST = "first try"
"""The property under which a second try's reports carry what the first said, through xdist to the summary."""


class Retries:
    """Retries tests under `where`, while `budget` lasts."""

    def __init__(self, where: Path, budget: Path) -> None:
        self._where, self._budget = where, budget
        self._first: dict[str, str] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """The first try is run here; the second goes through every plugin again, so that its time is limited too."""
        if not item.path.is_relative_to(self._where) or _is_second(item):
            return None
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failed = [report for report in reports if report.failed]
        if failed and self._take(item.nodeid):
            item.user_properties.append((_FIRST, "\n".join(_told(report) for report in failed)))
            return bool(item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem))
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, said in report.user_properties:
            if name == _FIRST:
                self._first[report.nodeid] = str(said)
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What the first try said, whatever the second did; then the names of those that passed then."""
        for nodeid, said in self._first.items():
            terminalreporter.section(f"first try of {nodeid}")
            terminalreporter.write_line(said)
        for nodeid in self._first:
            if nodeid not in self._failed:
                terminalreporter.write_line(f"flaky: {nodeid}")

    def _take(self, nodeid: str) -> bool:
        """One unit of the budget; the process that makes the file has it."""
        for number in range(MOST):
            try:
                with (self._budget / str(number)).open("x") as taken:
                    taken.write(nodeid)
            except FileExistsError:
                continue
            return True
        return False


def register(config: pytest.Config, where: Path) -> None:
    """Let tests under `where` be retried if RETRIES names a folder."""
    budget = os.environ.get(RETRIES)
    if budget:
        config.pluginmanager.register(Retries(where, Path(budget)), "retries")


def _is_second(item: pytest.Item) -> bool:
    return any(name == _FIRST for name, _ in item.user_properties)


def _told(report: pytest.TestReport) -> str:
    sections = (f"{title}\n{text}" for title, text in report.sections)
    return "\n".join((f"in {report.when}:", report.longreprtext, *sections))
