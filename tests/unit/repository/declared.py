"""What the two packages declare in their pyproject.toml, and what the locks pin, by normalised distribution name."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import ROOT

LOCKS = ROOT / "requirements"

_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))?(?P<goes_on> \\)?$")


def project(folder: str) -> dict[str, Any]:
    """The whole of FOLDER/pyproject.toml."""
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def requirements(folder: str, *extras: str) -> dict[str, Requirement]:
    """What FOLDER/pyproject.toml asks for, with the extras named."""
    table = project(folder)["project"]
    optional = table.get("optional-dependencies", {})
    return by_name([*table["dependencies"], *(line for extra in extras for line in optional[extra])])


def by_name(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


@dataclass(frozen=True)
class Pin:
    version: Version
    marker: str | None
    hashes: int


def pins(lock: str) -> dict[str, list[Pin]]:
    """What requirements/LOCK.lock pins. A line that is no pin, hash or comment is an error."""
    found: dict[str, list[Pin]] = defaultdict(list)
    for block in re.split(r"\n(?=\S)", (LOCKS / f"{lock}.lock").read_text().rstrip()):
        first, *rest = block.splitlines()
        if first.startswith("#"):
            continue
        pin = _PIN.match(first)
        assert pin, f"{lock}.lock: {first!r} is no pin"
        hashes = [line for line in rest if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line)]
        others = [line for line in rest if line not in hashes and not line.lstrip().startswith("#")]
        assert not others, f"{lock}.lock: {others} under {first!r}"
        found[pin["name"]].append(Pin(Version(pin["version"]), pin["marker"], len(hashes)))
    return found
