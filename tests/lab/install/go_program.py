"""A controller of others is built once from its Go module into the lab's cache, its definitions beside it.

Its version stands in its go.mod and nowhere else; go.sum fixes every byte of source. Where a program insists on an
address or a folder that a lab cannot give it, these texts are changed in a copy of its module, and nothing else is.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab import progress
from tests.lab.install import go_toolchain
from tests.lab.install.cache import cache_folder, locked

DEADLINE = 3600.0
"""Seconds for one build, on a machine that does other work as well."""
STAMPED = "-s -w"


class CannotBuildError(Exception):
    """There is no Go, or no module proxy; the text says which."""


@dataclass(frozen=True)
class Change:
    """In this file of the module `old`, which stands there `times` times, becomes `new`."""

    file: str
    old: str
    new: str
    times: int = 1


@dataclass(frozen=True)
class Program:
    """A controller: the folder with its go.mod, its package in the module, its definitions as a glob in the module."""

    source: Path
    package: str
    definitions_in: str
    changes: tuple[Change, ...] = ()
    otherwise: str = ""
    """What to do where it cannot be built, for people."""

    @property
    def module(self) -> str:
        """Its short name."""
        return self.source.name

    @property
    def required(self) -> tuple[str, str]:
        """(path, version) of the module."""
        found = re.search(r"^require (\S+) (v\S+)$", (self.source / "go.mod").read_text(), re.MULTILINE)
        assert found is not None, f"{self.module}/go.mod has no single-line require"
        return found[1], found[2]

    @property
    def title(self) -> str:
        return f"{self.module} {self.required[1]}"

    @property
    def folder(self) -> Path:
        """Where the result is kept: another one for every change of go.mod, of go.sum, or of what is changed."""
        digest = hashlib.sha256(repr(self.changes).encode() if self.changes else b"")
        for path in sorted(self.source.iterdir()):
            digest.update(path.read_bytes())
        return cache_folder() / f"{self.module}-{self.required[1].removeprefix('v')}-{digest.hexdigest()[:8]}"

    @property
    def binary(self) -> Path:
        return self.folder / self.package.rpartition("/")[2]

    @property
    def is_built(self) -> bool:
        return self.binary.is_file() and self._definitions.is_file()

    def refusal(self) -> str:
        """Why it cannot be had here; "" where it can, or is there already."""
        return "" if self.is_built else go_toolchain.go_refusal("@".join(self.required))

    def build(self) -> None:
        """Unless it is there. Raises CannotBuildError."""
        if not self.is_built:
            with locked(self.module):
                if not self.is_built:
                    self._build()

    def definitions(self) -> list[dict[str, Any]]:
        """Its CustomResourceDefinitions, as they came with the module."""
        return list(json.loads(self._definitions.read_text()))

    @property
    def _definitions(self) -> Path:
        return self.folder / "definitions.json"

    def _build(self) -> None:
        refused = self.refusal()
        if refused:
            raise CannotBuildError(f"{self.title} cannot be built: {refused}; {self.otherwise}".removesuffix("; "))
        self.folder.mkdir(parents=True, exist_ok=True)
        env, log = go_toolchain.go_environment(), self.folder / "build.log"
        progress.say(f"building {self.title} once from Go modules (minutes); log: {log}")
        # What is changed below may be what keeps it from being listed as it comes (-e); the build would tell.
        needs = ["go", "list", *(["-e"] if self.changes else []), "-deps", self.package]
        progress.run(f"fetching the modules of {self.title}", needs, log, cwd=self.source, env=env)
        listed = subprocess.run(needs, cwd=self.source, env=env, capture_output=True, check=True)
        original = self._downloaded(env)
        with tempfile.TemporaryDirectory(prefix="build-", dir=self.folder) as name:
            half = Path(name)
            where = self._changed(original, half / "source") if self.changes else self.source
            flags = ["-v", "-buildvcs=false", "-ldflags", STAMPED, "-o", f"{half}/"]
            command, packages = ["nice", "go", "build", *flags, self.package], listed.stdout.count(b"\n")
            title = f"building {self.title}"
            progress.run(title, command, log, cwd=where, env=env, packages=packages, deadline=DEADLINE)
            (half / self.binary.name).rename(self.binary)
        keep_definitions(sorted(original.glob(self.definitions_in)), self._definitions)

    def _downloaded(self, env: dict[str, str]) -> Path:
        # With the version left out Go takes the one of go.mod, and holds the download against go.sum.
        ask = ["go", "mod", "download", "-json", self.required[0]]
        answer = subprocess.run(ask, cwd=self.source, env=env, capture_output=True, check=True)
        return Path(json.loads(answer.stdout)["Dir"])

    def _changed(self, original: Path, where: Path) -> Path:
        """A module like ours that takes the program from a copy beside it, in which the changes are made."""
        shutil.copytree(self.source, where)
        copy = where / "module"
        shutil.copytree(original, copy, copy_function=shutil.copyfile)
        for change in self.changes:
            text = (copy / change.file).read_text()
            assert text.count(change.old) == change.times, f"{self.title}: {change.file} differs from what is changed"
            (copy / change.file).write_text(text.replace(change.old, change.new))
        with (where / "go.mod").open("a") as file:
            file.write(f"\nreplace {self.required[0]} => ./module\n")
        return where


def keep_definitions(files: list[Path], kept: Path) -> None:
    """As JSON: reading three megabytes of YAML takes many seconds."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    bodies = [body for file in files for body in yaml.load_all(file.read_text(), loader) if body]
    half = kept.with_suffix(".half")
    half.write_text(json.dumps([each for each in bodies if each["kind"] == "CustomResourceDefinition"]))
    half.rename(kept)
