"""What differs between the trees of two commits, read from git's objects, and a folder moved from one to the other."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from evalkit.adapters.git_workspace.git import GitError

Read = Callable[[Sequence[str]], Sequence[bytes | None]]
Raw = frozenset[tuple[bytes, bytes, bytes]]

FOLDER, LINK, MODULE = 0o40000, 0o120000, 0o160000
ANYBODY = 0o777  # a sandbox's user is nobody; the cache folder around it is private
AT_ONCE = 200  # blobs that are held in memory


class Entry(NamedTuple):
    """What a tree has at a name: the kind and rights as git writes them, and the hash of an object."""

    mode: int
    object: str


@dataclass(slots=True)
class Move:
    """What has to be done, in this order: paths beneath the folder."""

    unlinked: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)  # folders that go, those above first
    folders: list[str] = field(default_factory=list)  # new ones, those above first
    written: list[tuple[str, Entry]] = field(default_factory=list)

    @property
    def gone(self) -> set[str]:
        """What is no longer there, or no longer the same."""
        return {*self.unlinked, *self.emptied}

    @property
    def touched(self) -> set[str]:
        """What is there afterwards and has another time of change: the new, and the folders around old and new."""
        new = {*self.folders, *(path for path, _ in self.written)}
        around = {os.path.dirname(path) for path in new | self.gone}  # noqa: PTH120  thousands of paths
        return new | (around - self.gone - {""})


def difference(read: Read, before: str, after: str) -> Move:
    """From the tree of one commit to that of another; "" is the empty tree. Raises GitError."""
    move = Move()
    waiting = [("", *(commit and f"{commit}^{{tree}}" for commit in (before, after)))]
    # A tree object is its entries: mode, blank, name, a null byte and the hash as bytes, one after the other.
    entry = re.compile(rb"(\d+) ([^\0]+)\0(.{%d})" % (len(after or before) // 2), re.DOTALL)
    while waiting:  # a level of folders at a time: few questions, and none about what both have
        names = list(dict.fromkeys(name for _, *both in waiting for name in both if name))
        known = {"": frozenset(), **{name: frozenset(entry.findall(tree)) for name, tree in _objects(read, names)}}
        waiting = [
            below
            for folder, was, now in waiting
            for path, old, new in _differing(folder, known[was], known[now])
            for below in _noted(move, path, old, new)
        ]
    return move


def _differing(folder: str, was: Raw, now: Raw) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """The paths at which two trees differ, in order, with what both have there."""
    old, new = dict(map(_named, was - now)), dict(map(_named, now - was))
    for name in sorted(old | new):
        if name in (b".", b"..") or b"/" in name or name.lower() == b".git":
            raise GitError(f"a tree has an entry called {name!r}, which git refuses to check out")
        path = os.fsdecode(name)
        yield f"{folder}/{path}" if folder else path, old.get(name), new.get(name)


def _named(entry: tuple[bytes, bytes, bytes]) -> tuple[bytes, Entry]:
    mode, name, found = entry
    return name, Entry(int(mode, 8), found.hex())


def _noted(move: Move, path: str, old: Entry | None, new: Entry | None) -> Iterator[tuple[str, str, str]]:
    """Add one path to the move; the folder to be looked into, if it is one."""
    was, now = _kind(old), _kind(new)
    if was == now == MODULE:  # an empty folder, whatever commit it stands for
        return
    if was != now or was not in (FOLDER, MODULE):
        if old is not None:
            (move.emptied if was in (FOLDER, MODULE) else move.unlinked).append(path)
        if new is not None and now in (FOLDER, MODULE):
            move.folders.append(path)
        elif new is not None:
            move.written.append((path, new))
    below = [one.object if one is not None and one.mode == FOLDER else "" for one in (old, new)]
    if any(below):
        yield path, below[0], below[1]


def _kind(entry: Entry | None) -> int:
    return entry.mode & 0o170000 if entry else 0


def _objects(read: Read, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        for name, content in zip(some, read(some), strict=True):
            if content is None:
                raise GitError(f"the object {name} is missing")
            yield name, content


def carry_out(move: Move, folder: Path, read: Read) -> None:
    """Change the folder, which is as the move finds it. Raises GitError, OSError."""
    root = f"{folder}{os.sep}"
    for path in move.unlinked:
        os.unlink(root + path)  # noqa: PTH108  thousands of paths, and none is looked at
    for path in reversed(move.emptied):
        os.rmdir(root + path)  # noqa: PTH106
    for path in move.folders:
        os.mkdir(root + path)  # noqa: PTH102
        os.chmod(root + path, ANYBODY)  # noqa: PTH101  the umask is the whole process's
    blobs = _by_blob(move.written)
    for name, content in _objects(read, list(blobs)):
        for path, mode in blobs[name]:
            _write(root + path, mode, content)


def _by_blob(written: Iterable[tuple[str, Entry]]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for path, entry in written:
        found.setdefault(entry.object, []).append((path, entry.mode))
    return found


def _write(path: str, mode: int, content: bytes) -> None:
    if mode == LINK:
        if b"\0" in content:
            raise GitError(f"a link cannot lead to {content!r}")
        os.symlink(content, path)  # noqa: PTH211  a link's target is bytes
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        os.fchmod(handle, ANYBODY if mode & 0o100 else 0o666)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
    finally:
        os.close(handle)
