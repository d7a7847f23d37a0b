"""What only some tests need is started by the lab's own process when the first of them asks: it also stops it.

A member asks by a file in the lab's folder, and is answered by another.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.lab.session.door import Door

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE = 240.0
"""Seconds to wait for an answer, on a machine that runs other tests as well."""


class Answering:
    """The lab's end."""

    def __init__(self, folder: Path) -> None:
        self._asked, self._answer = _files(folder)

    def answer(self, start: Callable[[], Door]) -> None:
        """Call `start` if a member has asked and nobody has been answered yet."""
        if not self._asked.exists() or self._answer.exists():
            return
        try:
            said = asdict(start())
        except Exception as error:  # noqa: BLE001 - whatever went wrong, those who wait are told
            said = {"error": f"Envoy Gateway did not start: {error}"}
        half = self._answer.with_suffix(".half")
        half.write_text(json.dumps(said))
        half.rename(self._answer)


def asked_for(folder: Path, deadline: float = DEADLINE) -> Door:
    """Ask, and wait for the answer. RuntimeError with what the lab said, or where it says nothing."""
    asked, answer = _files(folder)
    asked.touch()
    end = time.monotonic() + deadline
    while not answer.exists():
        if time.monotonic() > end:
            raise RuntimeError(f"the lab in {folder} did not start Envoy Gateway within {deadline:.0f} s")
        time.sleep(0.1)
    said = json.loads(answer.read_text())
    if "error" in said:
        raise RuntimeError(said["error"])
    return Door(**said)


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / "envoy-gateway.asked", folder / "envoy-gateway.json"
