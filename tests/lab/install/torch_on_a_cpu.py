#!/usr/bin/env python3
"""Lets PyTorch's default Linux wheel be imported without most of CUDA's libraries, gigabytes that a CPU never runs.

The wheel's own libraries name CUDA's, and the loader wants a file of each name, though nothing in them is called on a
CPU. So each name that is missing becomes a link to one of PyTorch's own. Importing it then needs PyTorch's switch for
looking functions up when they are first called, TORCH_USE_RTLD_GLOBAL=1; the Makefile sets it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
from pathlib import Path


def main() -> None:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise SystemExit("torch is not installed: make torch")
    libraries = Path(spec.origin).parent / "lib"
    while name := _missing(libraries / "libtorch_python.so"):
        (libraries / name).symlink_to("libc10.so")


def _missing(library: Path) -> str | None:
    """The next library that the loader looks for in vain; None when `library` loads."""
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_LAZY)
    except OSError as error:
        absent = re.match(r"(\S+): cannot open shared object file", str(error))
        if absent is None:
            raise
        return absent[1]
    return None


if __name__ == "__main__":
    main()
