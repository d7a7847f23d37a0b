"""What reads objects as GitOps tools do: kstatus' own library, and the interpreter of Argo CD's health scripts."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked
from tests.lab.install.go_modules import FOLDER

SOURCE = FOLDER / "gitops"
LIBRARY = "sigs.k8s.io/cli-utils@v0.37.2"
DEADLINE = 900.0


def gitops_refusal() -> str:
    """Why it cannot be had here; "" where it can, or is there already."""
    return "" if _binary().is_file() else go_toolchain.go_refusal(LIBRARY)


def read_by_tools(objects: list[dict[str, Any]], script: Path) -> list[dict[str, str]]:
    """For each object `kstatus` and its `message`, `argo` and what it `said`; built at the first call (a minute)."""
    _build()
    asked = json.dumps(objects)
    found = subprocess.run([str(_binary()), str(script)], input=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return list(json.loads(found.stdout))


def _binary() -> Path:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.read_bytes())
    return cache_folder() / f"gitops-{digest.hexdigest()[:8]}" / "gitops"


def _build() -> None:
    binary = _binary()
    with locked("gitops"):
        if binary.is_file():
            return
        binary.parent.mkdir(parents=True, exist_ok=True)
        log, half = binary.with_suffix(".log"), binary.with_suffix(".half")
        command = ["nice", "go", "build", "-buildvcs=false", "-o", str(half), "."]
        title = "building the reader of kstatus and Argo CD"
        progress.run(title, command, log, cwd=SOURCE, env=go_toolchain.go_environment(), deadline=DEADLINE)
        half.rename(binary)
