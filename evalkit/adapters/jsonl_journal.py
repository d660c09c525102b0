"""The journal: one checksummed JSON line a record, on disk before its effect counts.

A line is `{"crc":"<crc32 of the record's bytes>","record":{"key":…,"value":…}}`; the first record, with the key
`run`, says which run and journal version this is. A torn last line is cut off and its work redone; a damaged
earlier line is an error that names file and line.
"""

import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar
from zlib import crc32

import msgspec

from evalkit.core.errors import JournalError, StorageError

T = TypeVar("T")
VERSION = 1
HEAD = b'{"crc":"'
MIDDLE = b'","record":'
START = len(HEAD) + 8 + len(MIDDLE)


class JsonlJournal:
    """A run's journal, open and locked for this process until `close`.

    Used from the event loop's thread only, hence no lock inside the process. Only each record's place in the
    file is held in memory, so a long run stays small. Raises JournalError if the file is damaged, of another
    run, or locked; StorageError if it cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("a+b")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}. Make the folder writable, or free space.") from error
        self._lock()
        self._read(run)

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """The recorded result under `key`, or run the effect, record it on disk, and return it."""
        if key in self._places:
            return self._recall(key, kind)
        value = await effect(*args)
        self._append(key, value)
        return value

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JournalError(
                f"{self.path} is in use: another evalkit process works on this run. Wait for it, or stop it first."
            ) from None

    def _read(self, run: str) -> None:
        end = 0
        for number, start, line in self._lines():
            record = _record(line)
            if record is None:
                if start + len(line) < self._size():
                    raise JournalError(
                        f"{self.path}:{number}: not a record (checksum). "
                        "Restore the line, or delete it to redo its work."
                    )
                break  # torn by a kill while it was written: its work is done again
            if number == 1:
                self._check_head(record, run)
            else:
                self._places[record["key"]] = (start + START, start + len(line) - 2)
            end = start + len(line)
        self._file.truncate(end)
        if end == 0:
            self._append("run", {"journal": VERSION, "run": run})
            del self._places["run"]

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        self._file.seek(0)
        start = 0
        for number, line in enumerate(self._file, 1):
            yield number, start, line
            start += len(line)

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _check_head(self, record: dict[str, Any], run: str) -> None:
        head = record["value"] if record["key"] == "run" else {}
        if head.get("journal") != VERSION:
            raise JournalError(
                f"{self.path}:1: written by another version of evalkit's journal ({head.get('journal')!r}, "
                f"this one reads {VERSION}). Continue it with that version, or move the folder away to start anew."
            )
        if head.get("run") != run:
            raise JournalError(
                f"{self.path}:1: the journal of run {head.get('run')!r}, not of {run!r}. Move the folder away."
            )

    def _recall(self, key: str, kind: type[T]) -> T:
        start, end = self._places[key]
        self._file.seek(start)
        record = msgspec.json.decode(self._file.read(end - start))
        return msgspec.convert(record["value"], kind)

    def _append(self, key: str, value: object) -> None:
        record = msgspec.json.encode({"key": key, "value": value})
        line = b"".join((HEAD, b"%08x" % crc32(record), MIDDLE, record, b"}\n"))
        self._file.seek(0, os.SEEK_END)
        start = self._file.tell()
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageError(
                f"{self.path}: {error.strerror}. What was recorded is intact; free space and run the command again."
            ) from error
        self._places[key] = (start + START, start + len(line) - 2)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None if it is torn or damaged."""
    body = line[START:-2]
    whole = line.startswith(HEAD) and line.endswith(b"}\n") and line[len(HEAD) + 8 : START] == MIDDLE
    if not whole or line[len(HEAD) : len(HEAD) + 8] != b"%08x" % crc32(body):
        return None
    record: dict[str, Any] = msgspec.json.decode(body)
    return record
