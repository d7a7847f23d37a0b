"""On a process's PYTHONPATH: its wall clock is MODELROLLOUT_LAB_SKEW seconds off; the monotonic clock is right.

libfaketime 0.9.10 does the same to a C program, but breaks the timed waits of a Python with threads.
"""

from __future__ import annotations

import os
import time

_right, _skew = time.time, float(os.environ.get("MODELROLLOUT_LAB_SKEW", "0"))
_right_ns = time.time_ns


def _time() -> float:
    return _right() + _skew


def _time_ns() -> int:
    return _right_ns() + int(_skew * 1e9)


time.time, time.time_ns = _time, _time_ns
