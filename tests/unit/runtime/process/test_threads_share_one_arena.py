"""What answers of queries took in threads is used again by all of them: freed memory is kept once, not by thread."""

from __future__ import annotations

import subprocess
import sys

import pytest

ARENAS = """
import ctypes, sys, threading
from modelrollout.runtime.process.allocator import share_one_arena
libc = ctypes.CDLL(None)
if not hasattr(libc, "mallopt"):
    sys.exit(77)
assert share_one_arena() is True
libc.malloc.restype = ctypes.c_void_p
before = libc.malloc(1000)
found = []
for _ in range(4):
    one = threading.Thread(target=lambda: found.append(libc.malloc(1000)))
    one.start()
    one.join()
print(max(abs(each - before) for each in found) < 2**26)
"""


def test_threads_of_a_process_allocate_from_one_arena():
    done = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:  # musl and macOS: there is nothing to be shared
        pytest.skip("this C library has one arena anyway")
    assert done.stdout == "True\n", done.stderr
