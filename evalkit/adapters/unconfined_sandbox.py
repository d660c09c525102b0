"""Runs candidates as you, with your files and network, for machines that can be thrown away: it marks the run."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.limited import Limited
from evalkit.run.overlaid import checked, gone, locked, open_files
from evalkit.run.watch import Watch

PREFIX = "evalkit-unconfined-"
MARK = "EVALKIT_JOB"  # in the environment of all that a job starts, so that none of it outlives the job
# A new process sets its own limits: a function between fork and exec may dead-lock in a process with threads.
LAUNCH = """
import os, resource, sys
for kind, value in zip(("AS", "FSIZE", "NOFILE", "CORE"), map(int, sys.argv[1:5])):
    kind = getattr(resource, "RLIMIT_" + kind)
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
os.execvp(sys.argv[5], sys.argv[5:])
"""


@dataclass
class UnconfinedSandbox(Limited):
    """A temporary folder, limits of the operating system, and nothing else; settings as in `Limited`.

    The number of processes and the size of the folder are not limited here: the kernel counts them for the
    whole user. A job's tree is copied (sharing its blocks where the disk can), its mounts are where they are.
    """

    @property
    def confined(self) -> bool:
        """A candidate can do here what you can do."""
        return False

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        checked(job)
        async with self._slots:
            try:
                folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
                try:
                    return await _run(await _laid(Path(folder.name), job), job)
                finally:  # a tree takes a while
                    await asyncio.shield(asyncio.to_thread(folder.cleanup))
            except OSError as error:
                raise SandboxError(f"the unconfined sandbox could not run {job.argv[0]!r}: {error}") from error

    async def check(self, *images: str) -> None:  # noqa: ARG002  it has none
        """Run Python once. Raises SandboxError if that does not work."""
        _sweep()
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(f"Python cannot import pytest: {done.stderr.strip()[-300:]!r}")

    async def contains(self, image: str) -> bool:  # noqa: ARG002  it has none
        """Whether a job with this image gets a container."""
        return False


async def _run(folder: Path, job: Job) -> Execution:
    mark = token_hex(8)
    process = await asyncio.create_subprocess_exec(
        *_command(job),
        cwd=folder,
        env=_environment(folder, mark, job),
        start_new_session=True,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        return await Watch(process, job.limits, lambda: _kill(process.pid, mark), process.pid).run(job.stdin)
    finally:
        _kill(process.pid, mark)
        await process.wait()


def _kill(group: int, mark: str) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    while marked := list(_marked(mark)):  # those that left the group; again, for what they started meanwhile
        for pid in marked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: str) -> Iterator[int]:
    """Living processes of a job; a dead one that nobody has waited for shows no environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or gone
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                yield int(entry.name)


def _command(job: Job) -> list[str]:
    name, *rest = job.argv
    argv = [sys.executable, "-B", "-s", *rest] if name == "python" else [name, *rest]
    if not name.startswith(".") and not shutil.which(argv[0], path=job.env.get("PATH")):
        raise SandboxError(f"the command {name!r} is not installed on this machine")
    limits = job.limits
    sizes = (limits.memory_mb * 2**20, limits.file_mb * 2**20, open_files(job), 0)
    return [sys.executable, "-I", "-S", "-c", LAUNCH, *map(str, sizes), *argv]


def _environment(folder: Path, mark: str, job: Job) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder.parent / "home" if job.tree else folder),
        "TMPDIR": str(folder.parent / "tmp" if job.tree else folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # pytest may have come from there
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        **job.env,
        MARK: mark,
    }


async def _laid(folder: Path, job: Job) -> Path:
    """The job's working folder in a new one, with all that belongs into it."""
    if job.tree:
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        folder = await _copied(job.tree, folder / "work")
    for name in locked(job):
        (folder / name).chmod(0o777)
    for name in gone(job):
        _remove(folder / name)
    for name, text in job.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    return folder


async def _copied(tree: str, to: Path) -> Path:
    argv = ("cp", "-a", "--reflink=auto", "--", tree, str(to))
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    try:
        _, said = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        raise SandboxError(f"the tree {tree!r} could not be copied: {said.decode(errors='replace').strip()[-300:]}")
    return to


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sweep() -> None:
    """Remove what an evalkit left that was killed outright: its process id stands in the folder's name."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)
