"""What trees take of the cache's disk, and the removal of those that nobody has used for long."""

import os
from collections.abc import Iterator
from pathlib import Path

from evalkit.adapters.git_workspace.locks import held, try_lock
from evalkit.adapters.git_workspace.repository import FOLDER
from evalkit.adapters.git_workspace.trees import Slot


def trees(cache: Path) -> list[Path]:
    """All folders with trees."""
    return sorted(slot.folder for repository in _repositories(cache) for slot in _slots(repository))


def forget_trees(cache: Path, before_ns: int) -> list[Path]:
    """Remove the trees that were last used before then and that nobody holds; they are laid out again when needed."""
    gone = []
    for repository in _repositories(cache):
        with held(repository / "lock"):  # nobody takes one meanwhile
            for slot in _slots(repository):
                if slot.used < before_ns and (handle := try_lock(slot.lock, shared=False)) is not None:
                    slot.wipe()
                    slot.noted.unlink(missing_ok=True)
                    os.close(handle)
                    gone.append(slot.folder)
    return gone


def _repositories(cache: Path) -> Iterator[Path]:
    yield from sorted(path.parent for path in (cache / FOLDER).glob("*/git") if path.is_dir())


def _slots(repository: Path) -> list[Slot]:
    return [Slot(path.with_suffix("")) for path in sorted(repository.glob("*.json"))]
