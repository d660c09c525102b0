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
from pathlib import Path, PurePosixPath
from secrets import token_hex

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.limited import Limited
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
    whole user.
    """

    @property
    def confined(self) -> bool:
        """A candidate can do here what you can do."""
        return False

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        async with self._slots:
            try:
                with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as folder:
                    _lay(Path(folder), job)
                    return await _run(Path(folder), job)
            except OSError as error:
                raise SandboxError(f"the unconfined sandbox could not run {job.argv[0]!r}: {error}") from error

    async def check(self, *images: str) -> None:  # noqa: ARG002  it has none
        """Run Python once. Raises SandboxError if that does not work."""
        _sweep()
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(f"Python cannot import pytest: {done.stderr.strip()[-300:]!r}")


async def _run(folder: Path, job: Job) -> Execution:
    mark = token_hex(8)
    process = await asyncio.create_subprocess_exec(
        *_command(job),
        cwd=folder,
        env=_environment(folder, mark),
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
    if not name.startswith(".") and not shutil.which(argv[0]):
        raise SandboxError(f"the command {name!r} is not installed on this machine")
    limits = job.limits
    sizes = (limits.memory_mb * 2**20, limits.file_mb * 2**20, 256, 0)
    return [sys.executable, "-I", "-S", "-c", LAUNCH, *map(str, sizes), *argv]


def _environment(folder: Path, mark: str) -> dict[str, str]:
    return {
        MARK: mark,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # pytest may have come from there
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }


def _lay(folder: Path, job: Job) -> None:
    for name, text in job.files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} is no path inside the sandbox's working folder")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", errors="surrogatepass")


def _sweep() -> None:
    """Remove what an evalkit left that was killed outright: its process id stands in the folder's name."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)
