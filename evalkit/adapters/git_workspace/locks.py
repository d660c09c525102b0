"""Locks on files, held against threads and other processes alike; the system drops them with their holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait for `path`'s lock and hold it."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_lock(path: Path, *, shared: bool) -> int | None:
    """An open file that holds the lock until it is closed; None where somebody else's is in the way."""
    handle = _opened(path)
    if convert(handle, shared=shared):
        return handle
    os.close(handle)
    return None


def convert(handle: int, *, shared: bool) -> bool:
    """Make a lock shared or exclusive without waiting. Not atomic: where it fails, the lock may be lost."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
