"""Locks that a forked process finds open: the thread that held one in the parent does not exist there."""

from __future__ import annotations

import os
import threading
import weakref

_LOCKS: weakref.WeakSet[threading.Lock] = weakref.WeakSet()


def new_lock() -> threading.Lock:
    """A lock; in the child of a fork it begins anew."""
    lock = threading.Lock()
    _LOCKS.add(lock)
    return lock


def _open_all() -> None:
    for lock in list(_LOCKS):
        lock._at_fork_reinit()  # type: ignore[attr-defined] # noqa: SLF001 - as the standard library's own locks


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_open_all)
