"""The real definitions of the Gateway API come with its Go module, which is fetched once into the lab's cache."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked
from tests.lab.install.go_modules import FOLDER, required

CHANNEL = "standard"


def definitions() -> list[dict[str, Any]]:
    """The standard channel's, fetched on first use (seconds); none where there are no Go modules."""
    kept = cache_folder() / f"gateway-api-{required('gateway-api')[1]}-{CHANNEL}.json"
    if not kept.is_file():
        with locked("gateway-api"):
            if not kept.is_file():
                if go_toolchain.go_refusal("@".join(required("gateway-api"))):
                    return []
                _fetch(kept)
    return list(json.loads(kept.read_text()))


def _fetch(kept: Path) -> None:
    """Kept as JSON: reading ten long definitions as YAML takes seconds, at every start of a lab."""
    path, version = required("gateway-api")
    where, env = FOLDER / "gateway-api", go_toolchain.go_environment()
    # With the version left out Go takes the one of go.mod, and holds the download against go.sum.
    ask, title = ["go", "mod", "download", "-json", path], f"fetching the definitions of the Gateway API {version}"
    progress.run(title, ask, kept.with_suffix(".log"), cwd=where, env=env)
    answer = subprocess.run(ask, cwd=where, env=env, capture_output=True, check=True)
    files = sorted((Path(json.loads(answer.stdout)["Dir"]) / "config/crd" / CHANNEL).glob("gateway.networking.*.yaml"))
    found = [body for file in files for body in yaml.safe_load_all(file.read_text()) if body]
    half = kept.with_suffix(".half")
    half.write_text(json.dumps([body for body in found if body["kind"] == "CustomResourceDefinition"]))
    half.rename(kept)
