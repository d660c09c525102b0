"""Runs candidates in containers: a fresh one for each attempt, started ahead of need, without network."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TypeVar

from evalkit.adapters.docker_sandbox import lease
from evalkit.adapters.docker_sandbox.attempt import Attempt
from evalkit.adapters.docker_sandbox.client import ImageMissingError, host
from evalkit.adapters.docker_sandbox.container import Shape, shape
from evalkit.adapters.docker_sandbox.engine import Engine
from evalkit.adapters.docker_sandbox.images import image
from evalkit.adapters.docker_sandbox.pool import Pool
from evalkit.adapters.docker_sandbox.recipe import Finds
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.limited import Contained
from evalkit.run.overlaid import checked, weight_mb

__all__ = ["DockerSandbox", "clean"]

T = TypeVar("T")
LOCAL = ("unix:", "http+unix:", "tcp://localhost", "tcp://127.0.0.1")


@dataclass
class DockerSandbox(Contained):
    """A fresh container a job; `image` for jobs that name none, the other settings as in `Contained`."""

    image: str = "python"
    places: Finds = field(kw_only=True)
    _engine: Engine = field(init=False, repr=False, compare=False)
    _pool: Pool = field(init=False, repr=False, compare=False)
    _threads: ThreadPoolExecutor = field(init=False, repr=False, compare=False)
    _known: dict[str, tuple[str, tuple[str, ...]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        super().__post_init__()
        mark = token_hex(8)
        self._known = {}
        self._engine = Engine(
            self.engine_timeout_s, self.concurrency + self.starting_at_once + 4, f"{lease.LABEL}={mark}"
        )
        starting = {"ahead": self.ahead, "at_once": self.starting_at_once}
        self._pool = Pool(self._engine, mark, lease_s=self.lease_s, **starting)
        # Not the loop's own threads: a job blocks one for as long as it runs.
        self._threads = ThreadPoolExecutor(self.concurrency + 2, "evalkit-docker")

    @property
    def confined(self) -> bool:
        """Nothing that runs here sees the host or its network."""
        return True

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        _reachable(checked(job))
        async with self._slots:
            wanted = await self._shape(job)
            seconds = job.limits.seconds + self.engine_timeout_s
            container = await self._pool.take(wanted, seconds)
            try:
                attempt = Attempt(job, container, job.image or self.image, self.engine_timeout_s)
                return await self._watched(attempt)
            finally:
                self._pool.discard(container)
                self._pool.refill(wanted, seconds)

    async def check(self, *images: str) -> None:
        """Prove that the engine, these images (or the default one) and Python in it are there. Raises SandboxError."""
        await self._in_thread(self._sweep)
        for name in dict.fromkeys(images or ("",)):
            await self._in_thread(self._resolve, name or self.image)
            argv = ("true",) if name else ("python", "-c", "import pytest")
            done = await self.run(Job(argv, limits=Limits(seconds=60), image=name))
            if done.exit_code or done.stopped:
                said = done.stderr.strip()[-300:] or f"exit code {done.exit_code} {done.stopped}".strip()
                raise SandboxError(f"the image {name or self.image!r} cannot run {' '.join(argv)!r}: {said}")

    async def contains(self, image: str) -> bool:  # noqa: ARG002  its own, where a job names none
        """Whether a job with this image gets a container."""
        return True

    async def lacks(self, image: str) -> str:
        """Why no job could run in this image here; empty if one could."""
        try:
            await self._in_thread(self._resolve, image or self.image)
        except SandboxError as error:
            return str(error)
        return ""

    async def close(self) -> None:
        """Remove every container that was started; again changes nothing."""
        await asyncio.to_thread(self._pool.close)
        self._threads.shutdown()
        self._engine.close()

    async def _watched(self, attempt: Attempt) -> Execution:
        """Wait for the thread also where we are cancelled, so that nothing of the job goes on."""
        running = self._threads.submit(self._attempt, attempt)
        try:
            return await asyncio.shield(asyncio.wrap_future(running))
        except asyncio.CancelledError:
            attempt.cancelled.set()
            await asyncio.wait([asyncio.wrap_future(running)])
            raise

    def _attempt(self, attempt: Attempt) -> Execution:
        with self._engine.asked(f"running {attempt.job.argv[0]!r}") as api:
            return attempt.run(api)

    async def _shape(self, job: Job) -> Shape:
        name = job.image or self.image
        if (found := self._known.get(name)) is None:
            found = await self._in_thread(self._resolve, name)
        weight = await self._in_thread(weight_mb, job.tree) if job.tree else 0
        return shape(found[0], job, self.cpus, found[1], weight)

    def _resolve(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The engine's id of an image and the folders that it would keep on the host's disk."""
        wanted = image(name, self.places)
        with self._engine.asked(f"looking for the image {name!r}") as api:
            found = wanted.look(api)
        if found is None:
            raise ImageMissingError(f"the engine has no image {wanted.tag!r}. {wanted.remedy}")
        self._known[name] = found
        return found

    def _sweep(self) -> int:
        with self._engine.asked("removing containers of runs that are gone") as api:
            return lease.sweep(api)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        future: Future[T] = self._threads.submit(work, *args)
        return await asyncio.wrap_future(future)


def _reachable(job: Job) -> None:
    if (job.tree or job.mounts) and (engine := host()) and not engine.startswith(LOCAL):
        raise SandboxError(
            f"a job with a repository's tree needs an engine on this machine, and DOCKER_HOST is {engine!r}: "
            "unset it, or run with sandbox=bubblewrap"
        )


def clean(timeout_s: float = 30.0) -> int:
    """Remove the containers of runs that are gone; how many. Raises SandboxError without an engine."""
    engine = Engine(timeout_s, 1, "")
    try:
        with engine.asked("removing containers of runs that are gone") as api:
            return lease.sweep(api)
    finally:
        engine.close()
