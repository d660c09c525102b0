"""What a job lays over its tree, as data that every sandbox can unpack inside: files, and what must go before them."""

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job

OPEN_FILES = 256
TREE_OPEN_FILES = 1024  # a repository's own test runner is another matter than a function
ALL = 0o777  # all that everybody may do
PAGE = 4096


def open_files(job: Job) -> int:
    """How many files a process of the job may hold open."""
    return TREE_OPEN_FILES if job.tree else OPEN_FILES


def checked(job: Job) -> Job:
    """The job, if its paths can be meant. Raises ValueError for wrong ones, SandboxError for folders not there."""
    for name in (*job.files, *job.removed):
        inside(name)
    for folder in (*job.mounts, *([job.tree] if job.tree else [])):
        if not Path(folder).is_absolute():
            raise ValueError(f"{folder!r} is no absolute path of a folder of this machine")
        if not Path(folder).is_dir():
            raise SandboxError(f"the folder {folder!r} that a job needs is not there (was a cache emptied?)")
    return job


def inside(name: str) -> PurePosixPath:
    """The path. Raises ValueError for one that leaves the working folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise ValueError(f"{name!r} is no path inside the sandbox's working folder")
    return path


def folders(names: Iterable[str]) -> list[str]:
    """The folders that the files lie in, those above first."""
    return sorted({str(parent) for name in names for parent in inside(name).parents if parent.parts})


def gone(job: Job) -> list[str]:
    """What must be removed from the tree: what is asked for, history, and what stands where a file has to go.

    Links above all: what is written must land in the working folder, wherever the tree's links lead.
    """
    away = dict.fromkeys(str(inside(name)) for name in job.removed if _mode(job.tree, name))
    if _mode(job.tree, ".git"):
        away[".git"] = None
    for name in folders(job.files):
        if (mode := _mode(job.tree, name)) and not stat.S_ISDIR(mode):
            away[name] = None
    for name in job.files:
        if (mode := _mode(job.tree, name)) and not stat.S_ISREG(mode):
            away[name] = None
    return list(away)


def locked(job: Job) -> list[str]:
    """Folders of the tree that something is laid into, or taken from, and that not everybody may write to."""
    names = folders([*job.files, *gone(job)])
    return [name for name in names if stat.S_ISDIR(mode := _mode(job.tree, name)) and mode & ALL != ALL]


def weight_mb(tree: str) -> int:
    """What a copy of the tree takes in a tmpfs."""
    pages = sum(1 + Path(at, name).lstat().st_size // PAGE for at, _, names in os.walk(tree) for name in names)
    return 1 + pages * PAGE // 2**20


def pack(job: Job) -> bytes:
    """The job's files as a tar of whole blocks, readable and writable for all; programs stay programs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in folders(job.files):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, ALL
            tar.addfile(entry)
        for entry, content in _entries(job.files, job.tree):
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _entries(files: Mapping[str, str], tree: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name, text in files.items():
        content = text.encode("utf-8", "surrogatepass")
        entry = tarfile.TarInfo(name)
        mode = _mode(tree, name)
        entry.mode = ALL if stat.S_ISREG(mode) and mode & 0o111 else 0o666
        entry.size = len(content)
        yield entry, content


def _mode(tree: str, name: str) -> int:
    """What lies at a tree's path, a link there not followed; 0 for nothing."""
    try:
        return Path(tree, name).lstat().st_mode if tree else 0
    except (FileNotFoundError, NotADirectoryError):
        return 0
