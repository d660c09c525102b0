"""The settings that every sandbox shares: what a job may use, and how many go at once."""

import asyncio
from dataclasses import dataclass, field

from evalkit.core.ports import Limits


@dataclass
class Limited:
    """`concurrency` jobs at once; the other settings are what a job gets by default.

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
    def limits(self) -> Limits:
        """What a job gets that asks for nothing else."""
        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})


@dataclass
class Contained(Limited):
    """What sandboxes of containers take beside limits; an `image` is the instance's word.

    `cpus` a container, `ahead` containers of a kind ready before they are asked for, `starting_at_once` of them;
    `engine_timeout_s` for an answer of the engine; `lease_s` after which a container ends by itself, so that a
    killed run leaves none.
    """

    cpus: float = 1.0
    ahead: int = 2
    starting_at_once: int = 2
    engine_timeout_s: float = 30.0
    lease_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        super().__post_init__()
        for name in ("cpus", "starting_at_once", "engine_timeout_s", "lease_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be more than 0")
        if self.ahead < 0:
            raise ValueError(f"ahead is {self.ahead!r}; it must be at least 0")
