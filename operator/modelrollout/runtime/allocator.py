"""How the C library keeps freed memory: in one place for all threads, since one for each is never full of use."""

from __future__ import annotations

import ctypes

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3)."""


def share_one_arena() -> bool:
    """Ask for one arena; to be called before there are threads. False where the C library has no such thing.

    A query and an evaluation run in threads. With glibc's eight arenas a core each of them keeps what its largest
    answer took; nothing here allocates so often that threads would wait for each other.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, 1))
    except (AttributeError, OSError, TypeError):
        return False
