"""A repository's trees laid out in folders, which are moved from commit to commit by writing what differs."""

import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from evalkit.adapters.git_workspace.git import GitError
from evalkit.adapters.git_workspace.locks import convert, held, try_lock
from evalkit.adapters.git_workspace.moving import ANYBODY, Move, Read, carry_out, difference
from evalkit.core.errors import SandboxError

Facts = dict[str, str]  # by path beneath the folder


@dataclass(frozen=True, slots=True)
class State:
    """What a slot holds: a commit, and the digest of its folder as it was laid out; "" while that is not done."""

    commit: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A folder for one tree; lock and state lie beside it, so that nothing but the tree is in it."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held shared by those who read the tree, alone by who moves it."""
        return self.folder.with_suffix(".lock")

    @property
    def noted(self) -> Path:
        """Where the state is; its time of change is that of the last use."""
        return self.folder.with_suffix(".json")

    @property
    def used(self) -> int:
        """When it was last used."""
        return self.noted.stat().st_mtime_ns if self.noted.exists() else 0

    def read(self) -> State:
        """Its state; nothing where there is none that can be read."""
        try:
            return State(**json.loads(self.noted.read_bytes()))
        except (OSError, ValueError, TypeError):
            return State()

    def note(self, state: State) -> None:
        """Replace its state, whole or not at all."""
        part = self.folder.with_suffix(".part")
        part.write_text(json.dumps(asdict(state)), encoding="utf-8")
        part.replace(self.noted)

    def pristine(self, state: State) -> Facts | None:
        """What is in the folder, None if anybody has touched it since it was laid out."""
        try:
            found = facts(self.folder) if state.digest else None
        except OSError:  # there is no such folder any more, or what is in it cannot be read
            return None
        return found if found is not None and digest(found) == state.digest else None

    def wipe(self) -> None:
        """Begin again."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        self.folder.with_suffix(".index").unlink(missing_ok=True)  # an evalkit of before let git write it


@dataclass(frozen=True, slots=True)
class Lease:
    """A slot that stays as it is until it is released."""

    slot: Slot
    handle: int  # the open file that holds the lock

    def release(self) -> None:
        """Let others move it."""
        with suppress(FileNotFoundError):
            os.utime(self.slot.noted)
        os.close(self.handle)


@dataclass(frozen=True, slots=True)
class Trees:
    """The slots of one repository, `most` at the most; `read` gives git's objects. Threads and processes share them."""

    folder: Path
    read: Read
    most: int

    def take(self, commit: str) -> Lease | None:
        """A folder with the tree of `commit`, None while all are held at other commits. Raises SandboxError."""
        with held(self.folder / "lock"):
            for slot in self._slots():
                if slot.read().commit == commit:
                    handle = try_lock(slot.lock, shared=True)
                    if handle is None:  # it is being moved there: worth the wait
                        return None
                    return self._shared(slot, handle, commit)
            found = self._idle()
            if found is None:
                return None
            slot, handle = found
            was = slot.read()
            slot.note(State(commit))
        return self._moved(slot, handle, was, commit)

    def _slots(self) -> list[Slot]:
        return sorted((Slot(path.with_suffix("")) for path in self.folder.glob("*.json")), key=lambda slot: slot.used)

    def _idle(self) -> tuple[Slot, int] | None:
        """The one unused for longest, or a new one, held alone."""
        slots = self._slots()
        for slot in slots:
            if (handle := try_lock(slot.lock, shared=False)) is not None:
                return slot, handle
        names = {slot.folder.name for slot in slots}
        for number in range(self.most):
            slot = Slot(self.folder / f"tree{number}")
            if slot.folder.name not in names and (handle := try_lock(slot.lock, shared=False)) is not None:
                return slot, handle
        return None

    def _shared(self, slot: Slot, handle: int, commit: str) -> Lease | None:
        """The slot as it is; where it is not pristine it is laid out anew, as soon as nobody uses it."""
        if slot.pristine(slot.read()) is not None:
            return Lease(slot, handle)
        slot.note(State())
        if convert(handle, shared=False):
            return self._moved(slot, handle, State(), commit, picking=True)
        os.close(handle)
        return None

    def _moved(self, slot: Slot, handle: int, was: State, commit: str, *, picking: bool = False) -> Lease:
        try:
            slot.note(State(commit))
            self._lay_out(slot, was, commit)
            if picking:
                fcntl.flock(handle, fcntl.LOCK_SH)
            else:
                with held(self.folder / "lock"):  # making a lock shared is not atomic: nobody may pick meanwhile
                    fcntl.flock(handle, fcntl.LOCK_SH)
        except BaseException:
            os.close(handle)
            raise
        return Lease(slot, handle)

    def _lay_out(self, slot: Slot, was: State, commit: str) -> None:
        try:
            found = slot.pristine(was)
            if found is None or self.read([was.commit])[0] is None:  # a source may have lost an old commit
                slot.wipe()
                was, found = State(), {}
            slot.folder.mkdir(exist_ok=True)
            slot.folder.chmod(ANYBODY)
            move = difference(self.read, was.commit, commit)
            carry_out(move, slot.folder, self.read)
            slot.note(State(commit, digest(after(found, move, slot.folder))))
        except (GitError, OSError) as error:
            raise SandboxError(
                f"the tree of {commit} could not be laid out in {str(slot.folder)!r}: {error}. "
                f"Is the disk full? Else delete {str(self.folder)!r}: it is made again."
            ) from error


def facts(folder: Path) -> Facts:
    """What changes when anything in the folder is written, added, removed or given other rights; reads no file.

    The kernel sets the time of a file's last change (ctime), which nobody can set back.
    """
    found: Facts = {}
    waiting = [""]
    while waiting:
        at = waiting.pop()
        with os.scandir(f"{folder}{os.sep}{at}") as entries:
            for entry in entries:
                found[at + entry.name] = _fact(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{at}{entry.name}{os.sep}")
    return found


def after(found: Facts, move: Move, folder: Path) -> Facts:
    """What must be in a folder after a move, all that it did not touch being as it was found before."""
    gone = move.gone
    kept = {path: fact for path, fact in found.items() if path not in gone}
    return kept | {path: _fact(os.lstat(f"{folder}{os.sep}{path}")) for path in move.touched}


def digest(found: Facts) -> str:
    """One word for all of it."""
    return sha256(os.fsencode("\n".join(f"{path}\0{found[path]}" for path in sorted(found)))).hexdigest()


def _fact(stat: os.stat_result) -> str:
    return f"{stat.st_ino} {stat.st_ctime_ns} {stat.st_size}"
