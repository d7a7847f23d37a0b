"""A golden set in an object store is one of its own namespace, bounded, read anew, and never shows what it may not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest

from modelrollout.api.preflight import GoldenSet
from modelrollout.prober.golden import stores
from modelrollout.prober.golden.npz import GoldenSetError
from modelrollout.prober.golden.places import fetch
from modelrollout.prober.golden.stores import SETTINGS, Store, store_of
from modelrollout.prober.main import main

MEMORY = "memory://golden/"


@pytest.fixture(autouse=True)
def a_store_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fsspec's own file system without a server; nobody else can name it."""
    monkeypatch.setitem(SETTINGS, "memory", {})


@pytest.fixture
def files() -> Iterator[Any]:
    """Fsspec's memory file system, which all of a process share."""
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()


async def read(store: Path | Store, name: str = "digits/rows.npz") -> tuple[bytes, str]:
    return await fetch(cast("Any", None), store, "vision", GoldenSet(file=name))


async def test_a_file_of_the_own_namespace_is_read_as_it_is_now(files: Any):
    files.pipe("/golden/vision/digits/rows.npz", b"old")
    store = store_of(MEMORY)
    assert await read(store) == (b"old", "file")
    files.pipe("/golden/vision/digits/rows.npz", b"new")
    assert await read(store) == (b"new", "file")


async def test_another_namespaces_file_is_not_there(files: Any):
    files.pipe("/golden/speech/digits/rows.npz", b"theirs")
    with pytest.raises(GoldenSetError, match=r"there is no vision/digits/rows\.npz in the prober's store"):
        await read(store_of(MEMORY))
    with pytest.raises(ValueError, match="should match pattern"):
        GoldenSet(file="../speech/digits/rows.npz")


async def test_a_longer_file_than_may_be_is_not_read_to_its_end(files: Any, monkeypatch: pytest.MonkeyPatch):
    files.pipe("/golden/vision/digits/rows.npz", b"123456")
    monkeypatch.setattr(stores, "MOST_BYTES", 5)
    with pytest.raises(GoldenSetError, match="file: it has more than 5 bytes; keep fewer rows"):
        await read(store_of(MEMORY))


async def test_what_a_store_says_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object, **__: object) -> None:
        raise PermissionError("AKIA-secret may not")

    monkeypatch.setattr(Store, "system", lambda _: type("System", (), {"open": fails})())
    with pytest.raises(GoldenSetError) as refused:
        await read(Store("memory", "golden"))
    assert "the store does not give vision/digits/rows.npz (PermissionError)" in str(refused.value)
    assert "AKIA" not in str(refused.value)


BAD = {
    "file:///etc": "is no address of a store",
    "s3://": "is no address of a store",
    "s3://key:secret@bucket": r"s3://\.\.\.@bucket",
    "simplecache::s3://bucket": "is no address of a store",
}


@pytest.mark.parametrize("address", BAD)
def test_what_is_no_address_of_a_store_is_refused(address: str):
    with pytest.raises(ValueError, match=BAD[address]):
        store_of(address)


def test_a_store_whose_library_is_missing_names_it(monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(ValueError, match=r"s3:// cannot be read here: install modelrollout\[stores\]"):
        store_of("s3://bucket/golden")


def test_the_prober_ends_at_once_where_its_store_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    config = tmp_path / "config.yaml"
    config.write_text("prometheus: [{name: default, url: 'http://localhost:9090'}]")
    with caplog.at_level(logging.ERROR):
        assert main(["--config", str(config), "--golden-sets", "ftp://host/golden"]) == 2
    assert "--golden-sets 'ftp://host/golden' is no address of a store: use one of s3://" in caplog.text
