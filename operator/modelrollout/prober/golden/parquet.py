"""A Parquet file from somebody else, made an .npz in a process of its own, which is read as any other.

Its reader (pyarrow, an extra) is native code that believes what a file says of its own sizes. Here it has little memory
and little time, and what it does wrong ends that process alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from importlib.util import find_spec

from modelrollout.api.borders.cleaning import clean
from modelrollout.prober.golden.npz import MOST_BYTES, Arrays, GoldenSetError, read_npz
from modelrollout.prober.golden.parquet_process import REFUSED, UNREADABLE

MAGIC = b"PAR1"
PATIENCE = 20.0
"""Seconds that the process may take."""
MEMORY = 448 * 2**20
"""Bytes that the process may write to: the file, its columns, and the arrays made of them."""
HEADERS = 2**20
"""Bytes of an .npz beside its values."""
LONGEST = 400
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def is_parquet(data: bytes) -> bool:
    """Whether the file says so at its start."""
    return data[: len(MAGIC)] == MAGIC


def read_parquet(data: bytes, field: str, most: int = MOST_BYTES) -> Arrays:
    """The columns by name, each with a row of the set a row; it blocks. Raises GoldenSetError, naming `field`."""
    if find_spec("pyarrow") is None:
        fix = "build it with --build-arg EXTRAS=parquet (modelrollout[parquet]), or write the set with numpy.savez"
        raise GoldenSetError(field, f"it is a Parquet file, which the prober's image cannot read; {fix}")
    status, said = _asked(data, most)
    if status == 0:
        return read_npz(said, field, most)
    if status == REFUSED:
        raise GoldenSetError(field, clean(said.decode(errors="replace"), LONGEST))
    why = clean(said.decode(errors="replace"), LONGEST) if status == UNREADABLE else "its reader ended"
    limits = f"within {PATIENCE:g} s and {MEMORY // 2**20} MiB"
    raise GoldenSetError(field, f"the Parquet file cannot be read {limits} ({why}); write it again, or numpy.savez")


def _asked(data: bytes, most: int) -> tuple[int, bytes]:
    """(exit status, what the process wrote, cut off where it is too much)."""
    words = [sys.executable, "-m", "modelrollout.prober.golden.parquet_process", str(most), str(MEMORY)]
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(  # noqa: S603 - this program, and two numbers
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        late = threading.Timer(PATIENCE, process.kill)
        late.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(data)
                process.stdin.close()  # it reads all of it before it writes
            except BrokenPipeError:
                return process.wait(), b""
            said = process.stdout.read(most + HEADERS + 1)
            if len(said) > most + HEADERS:
                process.kill()
                return -1, b""
            return process.wait(), said
        finally:
            late.cancel()
            process.kill()
