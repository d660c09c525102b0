"""Runs candidates in a bubblewrap sandbox: no network, nothing of the host but a read-only system and Python."""

import asyncio
from dataclasses import dataclass, field

from evalkit.adapters.bubblewrap_sandbox.cell import Cell, tail
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits

__all__ = ["BubblewrapSandbox"]


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
            return await Cell(job).run()

    async def check(self) -> None:
        """Run Python inside once. Raises SandboxError with what to do if that does not work."""
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(
                f"Python cannot import pytest inside the bubblewrap sandbox: {tail(done.stderr)!r}. "
                "Install evalkit with its dependencies where other users may read it."
            )
