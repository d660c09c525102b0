"""A sweep's folder, mlruns/sweeps/<key>/: sweep.json, and a file a cell that says how far it is.

Several processes write at once: each file is written whole or not at all, and a cell's run is worked on by one only.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.errors import ConfigError, StorageError
from evalkit.core.sweep import Cell, current


class SweepFolder:
    """Raises StorageError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, about: Mapping[str, Any], config: str) -> None:
        """Write what the sweep is; the same again changes nothing."""
        self.write("sweep.json", msgspec.json.format(msgspec.json.encode(about), indent=2))
        self.write("config.yaml", config.encode())

    def about(self) -> dict[str, Any]:
        """What `begin` wrote. Raises ConfigError where there is nothing."""
        path = self.path / "sweep.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}. The sweep's own command makes it again.") from error

    @property
    def run_id(self) -> str:
        """The MLflow run of the sweep; empty where no store has taken it yet."""
        return self._published("run_id")

    @property
    def store(self) -> str:
        """The address of the store that took it last; empty where none has."""
        return self._published("uri")

    def _published(self, what: str) -> str:
        try:
            return str(json.loads((self.path / "published.json").read_text(encoding="utf-8"))[what])
        except (OSError, ValueError, KeyError):
            return ""

    def note(self, cell: Cell) -> None:
        """Record how far a cell is."""
        self.write(f"cells/{_stem(cell)}.json", msgspec.json.format(msgspec.json.encode(cell), indent=2))

    def noted(self, key: str) -> Cell | None:
        """What is on record of a run's cell."""
        path = self.path / "cells" / f"{key}.json"
        return _read(path) if path.is_file() else None

    def cells(self) -> tuple[Cell, ...]:
        """The cells that count, in the sweep's order."""
        return current(_read(path) for path in (self.path / "cells").glob("*.json"))

    def log(self, cell: Cell) -> Path:
        """Where a cell that runs in another process says what else it would say on the terminal."""
        (self.path / "cells").mkdir(parents=True, exist_ok=True)
        return self.path / "cells" / f"{_swept(cell)}.log"

    def says(self, name: str, content: bytes) -> bool:
        """Whether a file of the sweep holds exactly this."""
        path = self.path / name
        return path.is_file() and path.read_bytes() == content

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the sweep, whole or not at all; one that says the same already stays as it is."""
        path = self.path / name
        new = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            if self.says(name, content):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}. Make the folder writable, or free space.") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock at `path` while the block runs; who comes second waits."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Make the folder writable, or free space.") from error


def is_held(path: Path) -> bool:
    """Whether another process holds that lock."""
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _stem(cell: Cell) -> str:
    """A file is named by the run's key; a cell that has none, by what is swept."""
    return cell.key or f"refused-{_swept(cell)}"


def _swept(cell: Cell) -> str:
    return hashlib.sha256(" ".join(sorted(cell.overrides)).encode()).hexdigest()[:12]


def _read(path: Path) -> Cell:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cell)
    except (OSError, msgspec.DecodeError) as error:
        raise StorageError(f"{path}: {error}. Delete it: the sweep's own command makes it again.") from error
