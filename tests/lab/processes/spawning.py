"""How a child is started: it always leads its own session and writes to its own log."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Child(Protocol):
    """What is asked of a child; subprocess.Popen is one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...


class Spawn(Protocol):
    """Starts `command` in its own session; what it prints is added to `log`."""

    def __call__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Child: ...


def execute(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Child:
    """A new program; see Spawn."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
            env=dict(env),
        )
