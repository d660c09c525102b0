"""The crew of a run whose settings ask for one: `limits.processes` workers, on this machine or on a Ray cluster."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from evalkit.cli.elsewhere import CARRIED
from evalkit.core.caps import Caps
from evalkit.core.shards import useful
from evalkit.places import BUNDLE, home
from evalkit.run.shards import Crew, Workers
from evalkit.run.shards_messages import Setup
from evalkit.wiring import Wired

if TYPE_CHECKING:
    from evalkit.adapters.ray_executor import RayWorkers

WORKER = "evalkit.cli.execute_sharded_worker"


def crew_of(wired: Wired, *, shared: bool) -> Crew | None:
    """Who climbs for this run; None: this process does. `shared` says that a sweep's budget caps it as well.

    Raises ConfigError where Ray is asked for and cannot be had.
    """
    if not is_sharded(wired):
        return None
    limits = wired.settings.limits
    most = wired.concurrency if wired.road is None else limits.concurrency_most
    count = useful(limits.processes, most)
    setup = _setup(wired, count, [limits, limits.instance], shared=shared)
    return Crew(_workers(limits.over), count, lambda number: setup_of(setup, number), _say)


def is_sharded(wired: Wired) -> bool:
    """Whether the settings ask for workers."""
    return wired.settings.limits.processes > 1 or wired.settings.limits.over != "local"


def setup_of(setup: Setup, number: int) -> Setup:
    """The same for one worker."""
    return Setup(**{**{name: getattr(setup, name) for name in setup.__struct_fields__}, "number": number})


def _setup(wired: Wired, count: int, caps: list[Caps], *, shared: bool) -> Setup:
    return Setup(
        key=wired.key,
        config=dict(wired.config),
        choices=dict(wired.choices),
        only=wired.only,
        number=0,
        count=count,
        capped=wired.settings.limits.instance.is_set,
        counting=shared or any(one.counts_tokens for one in caps),
        together=wired.settings.limits.over == "local",
    )


def _workers(over: str) -> Workers:
    if over == "ray":
        return _ray()
    from evalkit.adapters.local_workers import LocalWorkers  # noqa: PLC0415  for runs that need it only

    return LocalWorkers(WORKER)


async def looked(wired: Wired) -> str:
    """Whether there is room for the workers that the settings ask for. Raises ConfigError where Ray is not there."""
    limits = wired.settings.limits
    if limits.over == "local":
        return f"{limits.processes} processes; this machine has {os.cpu_count()} CPUs"
    workers = _ray()
    try:
        return f"{limits.processes} on {await workers.check()}"
    finally:
        await workers.close()


def _ray() -> "RayWorkers":
    from evalkit.adapters.ray_executor import RayWorkers  # noqa: PLC0415  an extra

    return RayWorkers(WORKER, carried(), str(Path.cwd()))


def carried() -> dict[str, str]:
    """What workers on other machines are told of this process's places; keys of providers must be there already."""
    told = {name: os.environ[name] for name in (*CARRIED, BUNDLE) if name in os.environ}
    return {**told, "EVALKIT_HOME": str(home())}


class Paces:
    """What the workers tell of their requests, as the live view reads it of one process's throttles."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    @property
    def made(self) -> dict[str, SimpleNamespace]:
        """By provider."""
        names = ("limit", "under_way", "highest", "cuts")
        return {
            provider: SimpleNamespace(**dict(zip(names, told, strict=True)))
            for provider, told in self._crew.providers.items()
        }


def _say(line: str) -> None:
    print(line, file=sys.stderr)
