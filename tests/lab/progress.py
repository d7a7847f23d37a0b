"""Long work says what it is doing and for how long; its output goes to a log whose tail is shown when it fails."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Seconds between two signs of life.
HEARTBEAT = 15.0


def say(text: str) -> None:
    print(f"lab: {text}", flush=True)


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log, indented for an error message; says so when there is none."""
    if not log.exists():
        return "  (no log was written)"
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  | {line}" for line in text) or "  (the log is empty)"


def run(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    deadline: float = 1800.0,
    packages: int = 0,
) -> None:
    """Run a command to its end, its output appended to `log`, with a line of progress every HEARTBEAT seconds.

    `packages`: how many of its lines tell a package done, where that is known; then progress says how far it is.
    Raises RuntimeError naming the command and the log's tail when it fails or takes longer than `deadline` seconds.
    """
    started = time.monotonic()
    say(f"{title} ...")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as out:
        done = _Count(log, packages)  # before the command writes its first line
        child = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            _wait(child, title, started, deadline, done)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode != 0:
        msg = f"{title} failed ({' '.join(command)!r} ended with {child.returncode}); {log} ends with:\n{tail(log)}"
        raise RuntimeError(msg)
    say(f"{title}: done in {time.monotonic() - started:.0f} s")


class _Count:
    """How many lines a log has grown by."""

    def __init__(self, log: Path, of: int) -> None:
        self._log, self._of = log, of
        self._before = self._lines()

    def __str__(self) -> str:
        done = min(self._lines() - self._before, self._of)
        return f" ({done} of {self._of} packages)" if done else ""  # none: all come from Go's own cache

    def _lines(self) -> int:
        return self._log.read_bytes().count(b"\n")


def _wait(child: subprocess.Popen[bytes], title: str, started: float, deadline: float, done: _Count) -> None:
    while True:
        try:
            child.wait(HEARTBEAT)
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - started
            if elapsed > deadline:
                msg = f"{title} took longer than {deadline:.0f} s and was ended"
                raise RuntimeError(msg) from None
            say(f"{title}: {elapsed:.0f} s so far{done}")
        else:
            return
