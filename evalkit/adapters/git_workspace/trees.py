"""A repository's trees laid out in folders, which are moved from commit to commit by writing what differs."""

import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from evalkit.adapters.git_workspace.git import GitError, local
from evalkit.adapters.git_workspace.locks import convert, held, try_lock
from evalkit.core.errors import SandboxError


@dataclass(frozen=True, slots=True)
class State:
    """What a slot holds: a commit, and the digest of its folder as it was laid out; "" while that is not done."""

    commit: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A folder for one tree; index, lock and state lie beside it, so that nothing but the tree is in it."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held shared by those who read the tree, alone by who moves it."""
        return self.folder.with_suffix(".lock")

    @property
    def index(self) -> Path:
        """What git knows of the folder."""
        return self.folder.with_suffix(".index")

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

    def is_pristine(self, state: State) -> bool:
        """Whether nobody has touched the folder since it was laid out."""
        try:
            return bool(state.digest) and fingerprint(self.folder) == state.digest
        except OSError:  # there is no such folder any more, or what is in it cannot be read
            return False

    def wipe(self) -> None:
        """Begin again."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        for path in (self.index, self.index.with_name(f"{self.index.name}.lock")):
            path.unlink(missing_ok=True)


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
    """The slots of one repository, `most` at the most. Threads and processes may share them."""

    folder: Path
    git_dir: Path
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
        if slot.is_pristine(slot.read()):
            return Lease(slot, handle)
        slot.note(State())
        if convert(handle, shared=False):
            return self._moved(slot, handle, State(), commit, picking=True)
        os.close(handle)
        return None

    def _moved(self, slot: Slot, handle: int, was: State, commit: str, *, picking: bool = False) -> Lease:
        try:
            slot.note(State(commit))
            self._lay_out(slot, handle, was, commit)
            if picking:
                fcntl.flock(handle, fcntl.LOCK_SH)
            else:
                with held(self.folder / "lock"):  # making a lock shared is not atomic: nobody may pick meanwhile
                    fcntl.flock(handle, fcntl.LOCK_SH)
        except BaseException:
            os.close(handle)
            raise
        return Lease(slot, handle)

    def _lay_out(self, slot: Slot, handle: int, was: State, commit: str) -> None:
        try:
            if not slot.is_pristine(was):
                slot.wipe()
            slot.folder.mkdir(exist_ok=True)
            slot.folder.chmod(0o777)  # a sandbox's user is nobody; the folder above is private
            self._check_out(slot, handle, commit)
            slot.note(State(commit, fingerprint(slot.folder)))
        except (GitError, OSError) as error:
            raise SandboxError(
                f"the tree of {commit} could not be laid out in {str(slot.folder)!r}: {error}. "
                f"Is the disk full? Else delete {str(self.folder)!r}: it is made again."
            ) from error

    def _check_out(self, slot: Slot, handle: int, commit: str) -> None:
        """Check out by a git that holds the lock too: after a kill of evalkit nobody takes the slot before its end."""
        local(
            *("--git-dir", str(self.git_dir), "--work-tree", str(slot.folder)),
            *("read-tree", "-u", "--reset", commit),
            cwd=slot.folder,
            more={"GIT_INDEX_FILE": str(slot.index)},
            keep=(handle,),
        )


def fingerprint(folder: Path) -> str:
    """Changes when anything in the folder was written, added, removed or given other rights; reads no file.

    The kernel sets the time of a file's last change (ctime), which nobody can set back.
    """
    seen: list[str] = []
    waiting = [os.fspath(folder)]
    while waiting:
        folder_seen = waiting.pop()
        with os.scandir(folder_seen) as entries:
            facts = []
            for entry in entries:
                stat = entry.stat(follow_symlinks=False)
                facts.append(f"{entry.name}\0{stat.st_ino} {stat.st_ctime_ns}")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
        seen += [folder_seen, *sorted(facts)]
    return sha256(os.fsencode("\n".join(seen))).hexdigest()
