"""Before the first call: is everything there, and is every instance fit to be asked?"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from evalkit.core.errors import ConfigError, EvalkitError, InfrastructureError
from evalkit.core.ports import Model, Sandbox, Verifier
from evalkit.core.types import Instance
from evalkit.run.health import health


class Remembered(Protocol):
    """What is known of instances' health from before."""

    def get(self, instance: Instance) -> tuple[str, ...] | None:
        """The faults found, or None if it was never looked at."""
        ...

    def put(self, instance: Instance, faults: tuple[str, ...]) -> None:
        """Remember."""
        ...


async def preflight(
    models: Mapping[str, Model], sandbox: Sandbox, verifier: Verifier, instances: Sequence[Instance]
) -> None:
    """Check models, sandbox and verifier; nothing is spent. Raises ConfigError with one line a fault."""
    faults = [f"no verdict: instance {one.id!r} {why}" for one in instances if (why := verifier.covers(one))]
    if not instances:
        faults.append("no instances: the sample is empty")
    faults += [line for line in await asyncio.gather(*(_check(name, model) for name, model in models.items())) if line]
    if any(instance.tests for instance in instances):
        faults += [line for line in [await _sandbox(sandbox)] if line]
    if faults:
        raise ConfigError("nothing was started:\n" + "\n".join(f"  {fault}" for fault in faults[:20]))


async def quarantine(
    instances: Sequence[Instance], verifier: Verifier, remembered: Remembered, *, concurrency: int
) -> dict[str, str]:
    """The unhealthy instances by id, with the reason (invariant 5). Instances without `good` are not proven."""
    gate = asyncio.Semaphore(concurrency)

    async def look(instance: Instance) -> tuple[str, tuple[str, ...]]:
        faults = remembered.get(instance)
        if faults is None:
            async with gate:
                faults = await health(instance, verifier, thorough=False)
            remembered.put(instance, faults)
        return instance.id, faults

    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(look(instance)) for instance in instances if instance.good]
    return {name: "; ".join(faults) for name, faults in (task.result() for task in looks) if faults}


async def _check(name: str, model: Model) -> str:
    try:
        await model.check()
    except EvalkitError as error:
        return f"rung {name}: {error}"
    return ""


async def _sandbox(sandbox: Sandbox) -> str:
    try:
        await sandbox.check()
    except InfrastructureError as error:
        return f"sandbox: {error}"
    return ""
