"""What environments take of the cache's disk, and the removal of those that nobody has used for long."""

import fcntl
import shutil
from pathlib import Path

from evalkit.adapters.environments.building import DONE

FOLDER = "environments"


def environments(cache: Path) -> list[Path]:
    """The folders of those that are built."""
    return sorted(path.parent for path in (cache / FOLDER).glob(f"*/{DONE}"))


def forget_environments(cache: Path, before_ns: int) -> list[Path]:
    """Remove those that were last asked for before then; they are built again when needed."""
    gone = []
    for folder in environments(cache):
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = folder / DONE
            if done.is_file() and done.stat().st_mtime_ns < before_ns:
                done.unlink()  # first: what is half removed is none
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(folder)
    return gone
