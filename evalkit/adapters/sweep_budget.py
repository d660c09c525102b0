"""What the cells of a sweep may spend together: budget.json in the sweep's folder, which several processes change."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from evalkit.core.caps import Amount, Budget, Caps, Hit
from evalkit.core.errors import StorageError


class Share(msgspec.Struct):
    """One cell's: what its run has spent, and what is reserved for its calls in flight."""

    spent: Amount
    held: Amount = Amount()


class SweepBudget:
    """A cell's way to the sweep's budget. `alive` says whether a cell's process still works: a dead one holds nothing.

    `known` is what other cells have spent of whom the file does not tell. The file is read and written under a lock
    beside it, so that two processes never let in two calls for which there is room for one. Raises StorageError.
    """

    def __init__(
        self, path: Path, cell: str, caps: Caps, *, known: Mapping[str, Amount], alive: Callable[[str], bool]
    ) -> None:
        self._path, self._cell, self._caps, self._alive = path, cell, caps, alive
        with self._changed() as shares:
            for key, spent in known.items():
                shares.setdefault(key, Share(spent))

    def hit(self, mine: Amount, wanted: Amount) -> Hit | None:
        """The sweep's cap under which such a call can never be made, `mine` being what this cell has spent."""
        return self._budget(self._read(), mine).hit(wanted)

    def reserved(self, mine: Amount, held: Amount, wanted: Amount) -> bool:
        """Reserve it, if it fits beside what this cell and the others hold."""
        with self._changed() as shares:
            budget = self._budget(shares, mine)
            for key, share in shares.items():
                if key != self._cell and share.held != Amount() and self._alive(key):
                    budget.reserve(share.held)
            budget.reserve(held)
            fits = budget.fits(wanted)
            shares[self._cell] = Share(mine, held + wanted if fits else held)
        return fits

    def note(self, mine: Amount, held: Amount) -> None:
        """Make known what this cell has spent and holds."""
        with self._changed() as shares:
            shares[self._cell] = Share(mine, held)

    def _budget(self, shares: Mapping[str, Share], mine: Amount) -> Budget:
        others = (share.spent for key, share in shares.items() if key != self._cell)
        return Budget(self._caps, "limits.sweep", sum(others, mine))

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Share]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                shares = self._read()
                yield shares
                new = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
                new.write_bytes(msgspec.json.encode(shares))
                new.replace(self._path)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}. Make the folder writable, or free space.") from error

    def _read(self) -> dict[str, Share]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Share])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            said = f"{self._path}: {error}. Delete it: what complete cells have spent is read from their runs again."
            raise StorageError(said) from error
