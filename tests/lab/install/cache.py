"""What is built or installed once per user is kept in one cache folder; one builder works on a part at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds to wait for another builder: a cold API server build takes about five minutes on two cores.
LOCK_DEADLINE = 1800.0


def cache_folder() -> Path:
    """$MODELROLLOUT_LAB_CACHE, else modelrollout-lab in $XDG_CACHE_HOME or in ~/.cache; made if missing."""
    named = os.environ.get("MODELROLLOUT_LAB_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(named) if named else base / "modelrollout-lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock `name`; the kernel drops it when the holder dies, so a killed builder blocks no other.

    Raises TimeoutError after LOCK_DEADLINE seconds.
    """
    path = cache_folder() / f"{name}.lock"
    deadline = time.monotonic() + LOCK_DEADLINE
    said = False
    with path.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    msg = f"another process has held {path} for {LOCK_DEADLINE:.0f} s; end it and try again"
                    raise TimeoutError(msg) from None
                if not said:
                    print(f"lab: waiting for another build of {name} to end", flush=True)
                    said = True
                time.sleep(1)
        yield
