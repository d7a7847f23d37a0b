"""Files that a person names on the command line, read in bounded memory; stdin is called `-`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modelrollout.cli.target import Failure


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The file's bytes. Failure where it cannot be read."""
    try:
        if name == "-":
            yield sys.stdin.buffer
        else:
            with Path(name).open("rb") as file:
                yield file
    except OSError as error:
        raise Failure(f"{name}: cannot be read: {error.strerror or error}") from error


def read_text(name: str, most: int) -> str:
    """A file of at most `most` bytes as text, without a byte order mark. Failure where it is none."""
    with opened(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Failure(f"{name}: cannot be read: more than {most >> 20} MiB; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: cannot be read: byte {error.start} is not UTF-8; save the file as UTF-8") from error
