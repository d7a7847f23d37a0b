"""When the process that started a lab is gone, however it went, everything the lab started goes too.

Run as `python -m tests.lab.processes.guardian MARK FOLDER`, with a pipe from the owner as its standard input: the
pipe's end closes with the owner, also by SIGKILL. The guardian does not carry the mark, so it never ends itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from tests import ROOT
from tests.lab.processes.process import sweep

KEPT = 3
"""Folders of ended labs whose logs are kept to show what happened."""


class Guardian:
    """The owner's end: start it before the first child, `dismiss` it after the last."""

    def __init__(self, mark: str, folder: Path) -> None:
        self._owner = folder / "owner.json"
        me = psutil.Process()
        self._owner.write_text(json.dumps({"pid": me.pid, "started": me.create_time(), "mark": mark}))
        with (folder / "guardian.log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.processes.guardian", mark, str(folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def dismiss(self) -> None:
        """Tell it that all is clean; it ends without sweeping."""
        if self._child.stdin is not None and self._child.poll() is None:
            self._child.stdin.write(b"clean\n")
            self._child.stdin.close()
        self._child.wait(10)
        self._owner.unlink(missing_ok=True)


def sweep_the_dead(root: Path) -> int:
    """Clean up after labs whose owner and guardian both died (power, SIGKILL of the session); returns how many."""
    count = 0
    for path in root.glob("*/owner.json"):
        owner = json.loads(path.read_text())
        if not _lives(owner["pid"], owner["started"]):
            sweep(owner["mark"], path.parent)
            count += 1
    return count


def forget_the_old(root: Path) -> None:
    """Remove what ended labs left, but for the newest KEPT; a folder with an owner's file is not ours to judge."""
    ended = {}
    for path in root.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another lab may be removing its own
            if path.is_dir() and not (path / "owner.json").exists():
                ended[path] = path.stat().st_mtime
    for path in sorted(ended, key=ended.__getitem__)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def keep_the_logs(folder: Path) -> None:
    """Remove what is large in an ended lab's folder."""
    for bulky in (*(folder / name for name in ("etcd", "python", "models")), *folder.glob("prometheus*/data")):
        shutil.rmtree(bulky, ignore_errors=True)


def _lives(pid: int, started: float) -> bool:
    """A pid alone may have been reused: the start time tells."""
    try:
        return abs(psutil.Process(pid).create_time() - started) < 1.0
    except psutil.Error:
        return False


def main() -> None:
    mark, folder = sys.argv[1], Path(sys.argv[2])
    owner = json.loads((folder / "owner.json").read_text())
    # A child forked without exec may hold the pipe open, so the owner itself is looked at too.
    while not select.select([0], [], [], 1.0)[0] and _lives(owner["pid"], owner["started"]):
        pass
    said = os.read(0, 16) if select.select([0], [], [], 0)[0] else b""
    if not said:
        sweep(mark, folder, keep=True)
        # Logs stay to show why the owner died; without the owner's file this folder is not swept again.
        (folder / "owner.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
