"""Which sandbox a job gets: containers where its instance asks for an image and they can be had, else bubblewrap."""

from asyncio import Lock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from evalkit.core.ports import Execution, Job, Sandbox
from evalkit.run.limited import Contained, Limited


class Containers(Sandbox, Protocol):
    """A sandbox with images."""

    async def lacks(self, image: str) -> str:
        """Why no job could run in this image here; empty if one could."""
        ...

    async def close(self) -> None:
        """Let go of what was started."""
        ...


@dataclass
class AutoSandbox(Contained):
    """docker for instances that ask for an image which an engine has, else bubblewrap; settings are those of both.

    What could not be used is in `fallback` (invariant 11); docker is not even loaded where no instance asks.
    """

    sandboxes: Mapping[str, Callable[..., Any]] = field(kw_only=True)  # how each is made, by name
    _plain: Sandbox = field(init=False, repr=False, compare=False)
    _docker: Containers | None = field(init=False, repr=False, compare=False)
    _lacking: dict[str, str] = field(init=False, repr=False, compare=False)
    _asking: Lock = field(init=False, repr=False, compare=False)  # an engine is asked for an image once

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        super().__post_init__()
        self._plain = self.sandboxes["bubblewrap"](**self._given(Limited))
        self._docker, self._lacking, self._asking = None, {}, Lock()
        self._used: dict[str, str] = {}  # the sandbox by image

    @property
    def confined(self) -> bool:
        """Both are."""
        return True

    @property
    def chosen(self) -> str:
        """What jobs have been given, or will be as far as `check` was told: bubblewrap, docker, or both."""
        return "+".join(sorted(set(self._used.values()))) or "bubblewrap"

    @property
    def placed(self) -> dict[str, str]:
        """The images that jobs have asked for, or will, with the sandbox that each is given."""
        return {image: where for image, where in sorted(self._used.items()) if image}

    @property
    def fallback(self) -> str:
        """Which images could not be used and why, and whether trees had to be copied; empty if nothing was amiss."""
        images = [f"no image {image!r}: {why}" for image, why in self._lacking.items() if why]
        return "; ".join([*images, *([copied] if (copied := getattr(self._plain, "fallback", "")) else [])])

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        return await (await self._sandbox(job.image)).run(job)

    async def check(self, *images: str) -> None:
        """Choose for each image ("" for none), and prove that what was chosen works. Raises SandboxError."""
        chosen = [(await self._sandbox(image), image) for image in images or ("",)]
        if any(one is self._plain for one, _ in chosen):
            await self._plain.check()
        contained = [image for one, image in chosen if one is self._docker]
        if self._docker is not None and contained:
            await self._docker.check(*contained)

    async def contains(self, image: str) -> bool:
        """Whether a job with this image gets a container."""
        return await self._found(image) is not self._plain

    async def close(self) -> None:
        """Let go of what was started; again changes nothing."""
        if self._docker is not None:
            await self._docker.close()

    async def _sandbox(self, image: str) -> Sandbox:
        found = await self._found(image)
        self._used[image] = "bubblewrap" if found is self._plain else "docker"
        return found

    async def _found(self, image: str) -> Sandbox:
        if image and image not in self._lacking:
            async with self._asking:
                if image not in self._lacking:
                    self._docker = self._docker or self.sandboxes["docker"](**self._given(Contained))
                    self._lacking[image] = await self._docker.lacks(image)
        usable = bool(image) and not self._lacking[image]
        return self._docker if usable and self._docker is not None else self._plain

    def _given(self, kind: type) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(kind) if one.init}
