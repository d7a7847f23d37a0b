"""The real definitions of the Gateway API come with its Go module, which is fetched once into the lab's cache."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked
from tests.lab.install.go_modules import FOLDER, required

CHANNEL = "standard"


def definitions() -> list[Path]:
    """YAML files of the standard channel, fetched on first use (seconds); none where there are no Go modules."""
    folder = cache_folder() / f"gateway-api-{required('gateway-api')[1]}-{CHANNEL}"
    if not folder.is_dir():
        with locked("gateway-api"):
            if not folder.is_dir() and not go_toolchain.refusal("@".join(required("gateway-api"))):
                _fetch(folder)
    return sorted(folder.glob("*.yaml"))


def _fetch(folder: Path) -> None:
    path, version = required("gateway-api")
    where, env, log = FOLDER / "gateway-api", go_toolchain.environment(), folder.with_name(f"{folder.name}.log")
    # With the version left out Go takes the one of go.mod, and holds the download against go.sum.
    ask = ["go", "mod", "download", "-json", path]
    progress.run(f"fetching the definitions of the Gateway API {version}", ask, log, cwd=where, env=env)
    told = subprocess.run(ask, cwd=where, env=env, capture_output=True, check=True)
    half = folder.with_name(f".{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for each in (Path(json.loads(told.stdout)["Dir"]) / "config/crd" / CHANNEL).glob("gateway.networking.*.yaml"):
        (half / each.name).write_bytes(each.read_bytes())
    half.rename(folder)
