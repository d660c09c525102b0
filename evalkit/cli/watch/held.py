"""Whether a process works on a run: seen at its journal's lock, in the kernel's list of them.

To try the lock could refuse a run that begins just then.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

LOCKS = Path("/proc/locks")


def held_by(journal: Path) -> int | None:
    """The process that works on this journal's run; None: none on this machine does."""
    try:
        status = journal.stat()
    except OSError:
        return None
    try:
        locks = LOCKS.read_text(encoding="ascii")
    except OSError:
        return _tried(journal)
    for line in locks.splitlines():
        parts = line.split()
        if "FLOCK" in parts and "->" not in parts and int(parts[-3].rpartition(":")[2]) == status.st_ino:
            pid = int(parts[-4])
            if _has_open(pid, status):
                return pid
    return None


def _has_open(pid: int, status: os.stat_result) -> bool:
    """Whether the process has this very file open: another file system may have a file of the same number."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208  the numbers are all that is wanted
    except OSError:  # another user's process, or one that just ended: the number is all that is known
        return Path(f"/proc/{pid}").exists()
    for name in names:
        with suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), status):  # noqa: PTH116  it takes descriptors' links as they are
                return True
    return False


def _tried(journal: Path) -> int | None:
    """The same where the system has no list of locks: 0 for a process whose number is not known."""
    with suppress(OSError), journal.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
    return None
