"""The peers' controllers are built once from Go modules into the lab's cache, their definitions beside them.

Versions stand in the go.mod files below go/ and nowhere else; their go.sum files fix every byte of source.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab import cache_folder, go_environment, go_refusal, locked, run, say

FOLDER = Path(__file__).parent / "go"
DEADLINE = 3600.0
"""Seconds for one build, on a machine that does other work as well."""


class CannotBuildError(Exception):
    """There is no Go, or no module proxy; the text says which."""


@dataclass(frozen=True)
class Program:
    """A controller: the folder below go/, its package in the module, its definitions as a glob in the module."""

    module: str
    package: str
    definitions_in: str

    @property
    def required(self) -> tuple[str, str]:
        """(path, version) of the module."""
        found = re.search(r"^require (\S+) (v\S+)$", (FOLDER / self.module / "go.mod").read_text(), re.MULTILINE)
        assert found is not None, f"{self.module}/go.mod has no single-line require"
        return found[1], found[2]

    @property
    def folder(self) -> Path:
        """Where the result is kept: another one for every change of go.mod or go.sum."""
        digest = hashlib.sha256()
        for path in sorted((FOLDER / self.module).iterdir()):
            digest.update(path.read_bytes())
        return cache_folder() / f"{self.module}-{self.required[1].removeprefix('v')}-{digest.hexdigest()[:8]}"

    @property
    def binary(self) -> Path:
        return self.folder / self.package.rpartition("/")[2]

    def build(self) -> None:
        """Unless it is there. Raises CannotBuildError."""
        if not self._is_built():
            with locked(self.module):
                if not self._is_built():
                    self._build()

    def definitions(self) -> list[dict[str, Any]]:
        """Its CustomResourceDefinitions, as they came with the module."""
        return list(json.loads(self._definitions.read_text()))

    @property
    def _definitions(self) -> Path:
        return self.folder / "definitions.json"

    def _is_built(self) -> bool:
        return self.binary.is_file() and self._definitions.is_file()

    def _build(self) -> None:
        title = f"{self.module} {self.required[1]}"
        refused = go_refusal("@".join(self.required))
        if refused:
            raise CannotBuildError(f"{title} cannot be built: {refused}; leave it out with --tools")
        self.folder.mkdir(parents=True, exist_ok=True)
        where, env, log = FOLDER / self.module, go_environment(), self.folder / "build.log"
        say(f"building {title} once from Go modules (minutes); log: {log}")
        needs = ["go", "list", "-deps", self.package]
        run(f"fetching the modules of {title}", needs, log, cwd=where, env=env)
        packages = subprocess.run(needs, cwd=where, env=env, capture_output=True, check=True).stdout.count(b"\n")
        with tempfile.TemporaryDirectory(prefix="build-", dir=self.folder) as half:
            flags = ["-v", "-buildvcs=false", "-ldflags", "-s -w", "-o", f"{half}/"]
            command = ["nice", "go", "build", *flags, self.package]
            run(f"building {title}", command, log, cwd=where, env=env, packages=packages, deadline=DEADLINE)
            (Path(half) / self.binary.name).rename(self.binary)
        self._keep_definitions(where, env)

    def _keep_definitions(self, where: Path, env: dict[str, str]) -> None:
        # With the version left out Go takes the one of go.mod, and holds the download against go.sum.
        ask = ["go", "mod", "download", "-json", self.required[0]]
        answer = subprocess.run(ask, cwd=where, env=env, capture_output=True, check=True)
        keep_definitions(sorted(Path(json.loads(answer.stdout)["Dir"]).glob(self.definitions_in)), self._definitions)


def keep_definitions(files: list[Path], kept: Path) -> None:
    """As JSON: reading three megabytes of YAML takes many seconds."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    bodies = [body for file in files for body in yaml.load_all(file.read_text(), loader) if body]
    half = kept.with_suffix(".half")
    half.write_text(json.dumps([each for each in bodies if each["kind"] == "CustomResourceDefinition"]))
    half.rename(kept)


FLAGGER = Program("flagger", "github.com/fluxcd/flagger/cmd/flagger", "artifacts/flagger/crd.yaml")
ARGO = Program(
    "argo-rollouts", "github.com/argoproj/argo-rollouts/cmd/rollouts-controller", "manifests/crds/*-crd.yaml"
)
