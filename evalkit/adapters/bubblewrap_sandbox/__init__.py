"""Runs candidates in a bubblewrap sandbox: no network, nothing of the host but a read-only system and Python."""

from dataclasses import dataclass

from evalkit.adapters.bubblewrap_sandbox.cell import Cell, tail
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.limited import Limited

__all__ = ["BubblewrapSandbox"]


@dataclass
class BubblewrapSandbox(Limited):
    """A fresh sandbox a job; settings as in `Limited`."""

    @property
    def confined(self) -> bool:
        """Nothing that runs here sees the host or its network."""
        return True

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        async with self._slots:
            return await Cell(job).run()

    async def check(self, *images: str) -> None:  # noqa: ARG002  it has none
        """Run Python inside once. Raises SandboxError with what to do if that does not work."""
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(
                f"Python cannot import pytest inside the bubblewrap sandbox: {tail(done.stderr)!r}. "
                "Install evalkit with its dependencies where other users may read it."
            )
