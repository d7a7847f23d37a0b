"""Where a golden set lies: a ConfigMap beside the resource, or a file of the prober's volume or store."""

from __future__ import annotations

import asyncio
import base64
import binascii
from pathlib import Path

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.preflight import GoldenSet
from modelrollout.ports import Unreachable
from modelrollout.prober.golden.npz import MOST_BYTES, GoldenSetError
from modelrollout.prober.golden.stores import Store

READING = 20.0
"""Seconds that a file may take."""


async def fetch(api: Api, files: Path | Store | None, namespace: str, golden: GoldenSet) -> tuple[bytes, str]:
    """(the file, the field that names it); `files` has a folder for each namespace.

    Raises GoldenSetError, or Unreachable where the API server fails.
    """
    if golden.config_map is not None and golden.key is not None:
        return await _of_config_map(api, namespace, golden.config_map, golden.key), "key"
    if files is None:
        raise GoldenSetError("file", "the prober has no volume; mount one with the chart's value prober.volume")
    name = golden.file or ""
    try:
        async with asyncio.timeout(READING):
            if isinstance(files, Store):
                return await asyncio.to_thread(files.read, namespace, name), "file"
            return await asyncio.to_thread(_of_file, files / namespace, name), "file"
    except TimeoutError:
        raise GoldenSetError("file", f"{namespace}/{name} could not be read within {READING:.0f} s") from None


async def _of_config_map(api: Api, namespace: str, name: str, key: str) -> bytes:
    try:
        found = await api.get(path_of("v1", "configmaps", namespace, name))
    except Unreachable as error:
        if error.reason != "ApiForbidden":
            raise
        fix = "let it with the chart's value prober.configMaps: true"
        raise GoldenSetError("configMap", f"the prober may not read ConfigMaps of {namespace}; {fix}") from None
    if found is None:
        raise GoldenSetError("configMap", f"there is no ConfigMap {namespace}/{name}; create it, or name another")
    data = mapping(found.get("binaryData"))
    if key not in data:
        has = ", ".join(sorted(str(one) for one in data)[:5]) or "none"
        raise GoldenSetError("key", f"binaryData of ConfigMap {namespace}/{name} has no {key} (it has {has})")
    try:
        return base64.b64decode(str(data[key]), validate=True)
    except binascii.Error:
        raise GoldenSetError("key", "it is no base64; create it with kubectl create configmap --from-file") from None


def _of_file(folder: Path, name: str) -> bytes:
    """A link may lead nowhere else: one namespace's files are not another's."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise GoldenSetError("file", f"there is no {folder.name}/{name} in the prober's volume")
    if path.stat().st_size > MOST_BYTES:
        raise GoldenSetError("file", f"it has {path.stat().st_size} bytes, more than {MOST_BYTES}; keep fewer rows")
    return path.read_bytes()
