"""Runs candidates in a bubblewrap sandbox: no network, nothing of the host but a read-only system and Python."""

import os
from asyncio import Lock
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.adapters.bubblewrap_sandbox.cell import Cell, tail
from evalkit.adapters.bubblewrap_sandbox.inside import steps_down
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.limited import Limited
from evalkit.run.overlaid import checked

__all__ = ["BubblewrapSandbox"]


@dataclass
class BubblewrapSandbox(Limited):
    """A fresh sandbox a job; settings as in `Limited`.

    A job's tree lies beneath an overlay. Where the system refuses one, each job copies its tree, which `fallback` says.
    """

    _refusals: dict[tuple[int, int, int], str] = field(init=False, repr=False, compare=False, default_factory=dict)
    _asking: Lock = field(init=False, repr=False, compare=False, default_factory=Lock)  # a disk is tried once

    @property
    def confined(self) -> bool:
        """Nothing that runs here sees the host or its network."""
        return True

    @property
    def fallback(self) -> str:
        """Why trees had to be copied; empty if none had to."""
        whys = dict.fromkeys(why for why in self._refusals.values() if why)
        return "; ".join(f"no overlay over a tree, so each job copies it: {why}" for why in whys)

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        checked(job)
        async with self._slots:
            return await Cell(job, copied=bool(job.tree) and bool(await self._refusal(job.tree))).run()

    async def check(self, *images: str) -> None:  # noqa: ARG002  it has none
        """Run Python inside once. Raises SandboxError with what to do if that does not work."""
        done = await self.run(Job(("python", "-c", "import pytest"), limits=Limits(seconds=60)))
        if done.exit_code or done.stopped:
            raise SandboxError(
                f"Python cannot import pytest inside the bubblewrap sandbox: {tail(done.stderr)!r}. "
                "Install evalkit with its dependencies where other users may read it."
            )

    async def contains(self, image: str) -> bool:  # noqa: ARG002  it has none
        """Whether a job with this image gets a container."""
        return False

    async def _refusal(self, tree: str) -> str:
        """Why there can be no overlay over trees of this disk and owner; empty if there can, as tried on this one."""
        key = _disk_and_owners(tree)
        async with self._asking:
            if key not in self._refusals:
                self._refusals[key] = await _tried(tree, key[1:])
        return self._refusals[key]


def _disk_and_owners(tree: str) -> tuple[int, int, int]:
    found = Path(tree).stat()
    return found.st_dev, found.st_uid, found.st_gid


async def _tried(tree: str, owners: tuple[int, int]) -> str:
    if not steps_down() and owners != (os.geteuid(), os.getegid()):  # none other is known inside
        return "it belongs to another user or group (uid {}, gid {})".format(*owners)
    probe = Limits(seconds=60)
    await Cell(Job(("true",), limits=probe)).run()  # a machine that refuses every sandbox is another matter
    try:
        await Cell(Job(("true",), limits=probe, tree=tree)).run()
    except SandboxError as error:
        return str(error).partition(". Allow user")[0]
    return ""
