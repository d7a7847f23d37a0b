"""Go new enough for the lab's modules is looked for on PATH first, then where its installers put it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

LEAST = (1, 26)
"""What the go.mod files below tests/lab/go ask for."""
PLACES = (Path("/usr/local/go/bin/go"), *sorted(Path("/usr/lib").glob("go-*/bin/go"), reverse=True))
PROBE_DEADLINE = 20.0
"""Seconds for the module proxy to answer one small question."""


@functools.cache
def go() -> Path | None:
    """The first `go` of at least LEAST; None where there is none."""
    on_path = shutil.which("go")
    places = [Path(on_path)] if on_path else []
    return next((each for each in (*places, *PLACES) if _version(each) >= LEAST), None)


def go_environment() -> dict[str, str]:
    """The user's own settings (proxy, caches) without those that would change what is built."""
    found = go()
    path = f"{found.parent}{os.pathsep}" if found else ""
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GO111MODULE": "on"}
    return os.environ | {"PATH": path + os.environ.get("PATH", os.defpath)} | fixed


def go_refusal(module: str) -> str:
    """Why `module` (PATH@VERSION) cannot be had here: no Go, or no module proxy; "" where it can."""
    found = go()
    least = ".".join(str(part) for part in LEAST)
    if found is None:
        return f"there is no Go {least} or newer"
    ask = [str(found), "list", "-m", module]
    try:
        answer = subprocess.run(
            ask, env=go_environment(), cwd="/", capture_output=True, text=True, timeout=PROBE_DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the Go module proxy did not answer within {PROBE_DEADLINE:.0f} s"
    if answer.returncode == 0:
        return ""
    said = answer.stderr.strip().removeprefix("go: ")
    return f"Go does not get {module} ({said})"


def _version(go: Path) -> tuple[int, ...]:
    if not go.is_file():
        return ()
    # Outside a module, so that no go.mod makes it fetch another toolchain; GOTOOLCHAIN=local says what is there.
    env = os.environ | {"GOTOOLCHAIN": "local"}
    found = subprocess.run([str(go), "env", "GOVERSION"], env=env, cwd="/", capture_output=True, text=True, check=False)
    numbers = re.match(r"go(\d+)\.(\d+)", found.stdout)
    return tuple(int(part) for part in numbers.groups()) if numbers else ()
