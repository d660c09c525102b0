"""The journal: one checksummed JSON line a record, on disk before its effect counts.

A line is `{"crc":"<crc32 of the record's bytes>","record":{"key":…,"value":…}}`; the first record, with the key
`run`, says which run and journal version this is. A torn last line is cut off and its work redone, and so are several
damaged lines at the end: a power loss tears the group that was being written. A damaged line with a whole one behind
it is an error that names file and line (docs/decisions/0006-torn-groups.md).

A record is written as soon as it is there, so that killing the process loses none, and synced before its effect counts.
Syncs are in groups (group commit: DeWitt et al., SIGMOD 1984): a thread syncs all that came while it was busy with the
ones before, so that fifty climbs at once pay for one sync and none holds the event loop.
"""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from threading import Condition
from typing import Any, Generic, TypeVar
from zlib import crc32

import msgspec

from evalkit.core.errors import JournalError, StorageError

T = TypeVar("T")
VERSION = 1
HEAD = b'{"crc":"'
MIDDLE = b'","record":'
START = len(HEAD) + 8 + len(MIDDLE)
LENGTH_BITS = 32  # of a place, for the record's length; the rest is where it begins


class _Keyed(msgspec.Struct):
    """What opening a journal reads of a record: the value is passed over until it is recalled."""

    key: str


_KEYED = msgspec.json.Decoder(_Keyed)


@dataclass(slots=True)
class _Line:
    """A record on its way to the disk; `told` is where the event loop waits, `error` why it did not get there.

    `place` is where in the file it stands, once it is written.
    """

    key: str
    data: bytes
    told: asyncio.Future[None] | None
    place: int = 0
    error: StorageError | None = None


class JsonlJournal:
    """A run's journal, open and locked for this process until `close`.

    Used from the event loop's thread; the thread that syncs is its own. Only each record's place in the file is held
    in memory, so a long run stays small. Whoever is cancelled while his record is being synced has lost nothing:
    it comes to the disk all the same, and `close` waits for it. Where two do the same effect at once, the first
    result on record is the result of both. Raises JournalError if the file is damaged, of another run, or locked;
    StorageError if it cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self._places: dict[str, int] = {}  # one number: a tuple of two takes three times the memory
        self._waiting: dict[str, _Line] = {}  # written, but not on disk yet
        self._synced = Condition()  # guards what waits and the file's end; notified after each group
        self._syncing = False
        self._syncer = ThreadPoolExecutor(1, "journal")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: RawIOBase = path.open("a+b", buffering=0)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}. Make the folder writable, or free space.") from error
        self._lock()
        self._read(run)

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """The recorded result under `key`, or run the effect, record it on disk, and return it."""
        if key in self:
            return self._recall(key, kind)
        value = await effect(*args)
        if key in self:  # somebody else was quicker: a second line would be another answer to the same question
            return self._recall(key, kind)
        told = asyncio.get_running_loop().create_future()
        self._append(key, value, told)
        await told  # whoever is cancelled here cancels only that he is told
        return value

    def __contains__(self, key: str) -> bool:
        """Whether a result is recorded under `key`; one that is just being synced is waited for."""
        self._wait(key)
        return key in self._places

    def _wait(self, key: str) -> None:
        """Until nothing waits under `key`; the thread that syncs needs nothing of this one."""
        if key in self._waiting:
            with self._synced:
                self._synced.wait_for(lambda: key not in self._waiting)

    def recorded(self) -> tuple[str, ...]:
        """The keys of all that is on disk, in the order in which it came there."""
        return tuple(self._places)

    def close(self) -> None:
        """Wait until all is on disk, and release the lock."""
        self._syncer.shutdown()
        self._file.close()

    def _cut(self, end: int) -> None:
        """Take off again what did not get to the disk; where even that fails, the next start does it."""
        with suppress(OSError):
            self._file.truncate(end)

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
            body = _whole(line)
            if body is None:
                if self._is_whole_behind(start) or (number == 1 and line.endswith(b"\n")):
                    raise JournalError(
                        f"{self.path}:{number}: not a record (checksum). "
                        "Restore the line, or delete it to redo its work."
                    )
                break  # torn while it was written, as all behind it: their work is done again
            if number == 1:
                self._check_head(msgspec.json.decode(body), run)
            else:
                self._places[self._key(body, start)] = _place(start, line)
            end = start + len(line)
        self._file.truncate(end)
        self._end = self._on_disk = end
        if end == 0:
            head = self._append("run", {"journal": VERSION, "run": run}, None)
            self._wait("run")
            if head.error is not None:
                raise head.error
            del self._places["run"]

    def _is_whole_behind(self, start: int) -> bool:
        """Whether any record behind the one that begins here is whole; then that was not torn by the last write.

        It may stand in the same line, where what has changed is the end of the line before.
        """
        return any(_whole(line[at:]) is not None for _, _, line in self._lines(start + 1) for at in _heads(line))

    def _lines(self, start: int = 0) -> Iterator[tuple[int, int, bytes]]:
        with self.path.open("rb") as lines:
            lines.seek(start)
            for number, line in enumerate(lines, 1):
                yield number, start, line
                start += len(line)

    def _key(self, body: bytes, start: int) -> str:
        try:
            return _KEYED.decode(body).key
        except msgspec.DecodeError as error:
            raise self._strange(start, error) from error

    def _strange(self, place: int, error: Exception) -> JournalError:
        """What to raise for a whole record that cannot be understood."""
        with self.path.open("rb") as lines:
            number = lines.read(place).count(b"\n") + 1
        return JournalError(
            f"{self.path}:{number}: not a record of this version of evalkit's journal ({error}). "
            "Continue the run with the version that wrote it, or delete the line to redo its work."
        )

    def _check_head(self, record: Any, run: str) -> None:
        told = record if isinstance(record, dict) else {}
        head = told["value"] if told.get("key") == "run" and isinstance(told.get("value"), dict) else {}
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
        start, length = divmod(self._places[key], 1 << LENGTH_BITS)
        try:
            value: T = _decoder(kind).decode(os.pread(self._file.fileno(), length, start)).value
        except msgspec.DecodeError as error:
            raise self._strange(start, error) from error
        return value

    def _append(self, key: str, value: object, told: asyncio.Future[None] | None) -> _Line:
        """Write a record and have it synced: `told` is set when it is on disk, or to a StorageError."""
        record = msgspec.json.encode({"key": key, "value": value})
        line = _Line(key, b"".join((HEAD, b"%08x" % crc32(record), MIDDLE, record, b"}\n")), told)
        with self._synced:
            if not self._write(line):
                _settle([line])
                return line
            self._waiting[key] = line
            wake, self._syncing = not self._syncing, True
        if wake:
            self._syncer.submit(self._sync_waiting)
        return line

    def _write(self, line: _Line) -> bool:
        """Whether it fitted behind the others; not even a part of it stays if not."""
        try:
            _write_all(self._file.fileno(), line.data)
        except OSError as error:
            self._cut(self._end)
            line.error = self._failed(error)
            return False
        line.place = _place(self._end, line.data)
        self._end += len(line.data)
        return True

    def _sync_waiting(self) -> None:
        """Sync what waits, and what came meanwhile, until nothing does."""
        while True:
            with self._synced:
                lines, end = list(self._waiting.values()), self._end
                if not lines:
                    self._syncing = False
                    return
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                lines = self._give_up(error)
            else:
                self._on_disk = end
                self._places.update((line.key, line.place) for line in lines)
            with self._synced:
                for line in lines:
                    del self._waiting[line.key]
                self._synced.notify_all()
            _tell([line for line in lines if line.told is not None])

    def _give_up(self, error: OSError) -> list[_Line]:
        """All that is not on disk, cut off again: a second sync would not tell of what the first one lost."""
        with self._synced:
            self._cut(self._on_disk)
            self._end = self._on_disk
            for line in self._waiting.values():
                line.error = self._failed(error)
            return list(self._waiting.values())

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path}: {error.strerror}. What was recorded is intact; free space and run the command again."
        )


def _tell(lines: Sequence[_Line]) -> None:
    """Wake the event loop once for a whole group: waking it for each record costs a system call and more."""
    for loop in {line.told.get_loop() for line in lines if line.told is not None}:
        with suppress(RuntimeError):  # closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, [line for line in lines if line.told and line.told.get_loop() is loop])


def _settle(lines: Sequence[_Line]) -> None:
    for line in lines:
        if line.told is None or line.told.done():  # cancelled meanwhile
            continue
        if line.error is not None:
            line.told.set_exception(line.error)
        else:
            line.told.set_result(None)


def _write_all(descriptor: int, data: bytes) -> None:
    """A write may take only a part, e.g. at a file size limit; then the rest fails and says why."""
    while data:
        data = data[os.write(descriptor, data) :]


def _place(start: int, line: bytes) -> int:
    """Where the record of a line that begins at `start` stands in the file, and its length."""
    return start + START << LENGTH_BITS | len(line) - START - 2


def _heads(line: bytes) -> Iterator[int]:
    """Where records may begin in a line; what they hold is escaped, and looks otherwise."""
    at = line.find(HEAD)
    while at >= 0:
        yield at
        at = line.find(HEAD, at + 1)


def _whole(line: bytes) -> bytes | None:
    """The record in a line, or None if it is torn or damaged."""
    body = line[START:-2]
    whole = line.startswith(HEAD) and line.endswith(b"}\n") and line[len(HEAD) + 8 : START] == MIDDLE
    if not whole or line[len(HEAD) : len(HEAD) + 8] != b"%08x" % crc32(body):
        return None
    return body


class _Valued(msgspec.Struct, Generic[T]):
    """A record whose value is of a known kind."""

    value: T


_DECODERS: dict[Any, "msgspec.json.Decoder[_Valued[Any]]"] = {}


def _decoder(kind: Any) -> "msgspec.json.Decoder[_Valued[Any]]":
    """Straight to the kind, made once: by way of a dict took three times as long."""
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(_Valued[kind])
    return _DECODERS[kind]
