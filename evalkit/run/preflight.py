"""Before the first call: is everything there, and is every instance fit to be asked?"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from evalkit.core.errors import ConfigError, DatasetError, EvalkitError, InfrastructureError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Step
from evalkit.core.ports import Environments, Model, Sandbox, Strategy, Verifier
from evalkit.core.types import Attempt, Candidate, Completion, Finding, Instance, Verdict
from evalkit.run.health import Health, Seen, examine_all
from evalkit.run.judging.repository.placed import misplaced

REASONS = 3  # that are told where no instance is healthy


class Remembered(Protocol):
    """Which instances were proven healthy before."""

    def healthy(self, instance: Instance) -> bool:
        """Whether it was proven already."""
        ...

    def note(self, instances: Iterable[Instance]) -> None:
        """Remember that these are healthy."""
        ...


async def preflight(
    models: Mapping[str, Model],
    sandbox: Sandbox,
    verifier: Verifier,
    instances: Sequence[Instance],
    graders: Mapping[str, Model] | None = None,
    *,
    environments: Environments | None = None,
    quarantining: bool = False,
) -> dict[str, str]:
    """Check models, graders, sandbox and verifier; nothing is spent. Raises ConfigError with one line a fault.

    Repositories are looked for, and what their tests run in is built. Instances whose tests have nothing to run in here
    are faults; where unhealthy instances are quarantined (`quarantining`), they are returned instead, by id with the
    reason: one wrong recipe of many keeps nobody from asking the others. An outage remains a fault.
    The sandbox is checked only where judging takes it; a verifier that has no `images(instance)` to say so (a
    plug-in's) takes it for instances with tests.
    """
    unfit: dict[str, str] = {}
    faults = [f"no verdict: instance {one.id!r} {why}" for one in instances if (why := verifier.covers(one))]
    if not instances:
        faults.append("no instances: the sample is empty")
    asked = {**{f"rung {name}": model for name, model in models.items()}, **(graders or {})}
    faults += [line for line in await asyncio.gather(*(_check(name, model) for name, model in asked.items())) if line]
    if repositories := [instance for instance in instances if instance.repo]:
        faults += await _repositories(repositories)
        unfit, away = await homeless(environments, sandbox, repositories) if environments else ({}, {})
        faults += dict.fromkeys([*away.values(), *(() if quarantining else unfit.values())])
    wanted = getattr(verifier, "images", _of_tests)
    images = {image: None for one in instances if one.id not in unfit for image in sorted(wanted(one))}
    if images:
        faults += [line for line in [await _sandbox(sandbox, images)] if line]
    if faults:
        raise ConfigError("nothing was started:\n" + "\n".join(f"  {fault}" for fault in faults[:20]))
    return unfit


def rehearse(strategy: Strategy, ladder: Ladder, instance: Instance) -> None:
    """Write a first prompt and one after a rejected answer, so that a template's fault costs nothing.

    Raises ConfigError where the strategy cannot.
    """
    name, rung = next(iter(ladder.rungs.items()))
    finding = Finding("rehearsal", "Mend this.")
    first = strategy.prompt(instance, [], 1, Step(name, 1, 1, rung))
    verdict = Verdict(accepted=False, failure=Failure.RULE_VIOLATION, findings=(finding,))
    attempt = Attempt(1, name, 1, first, Completion("an answer"), Candidate("an answer"), verdict)
    strategy.prompt(instance, [attempt], 1, Step(name, 2, 2, rung))


async def quarantine(
    instances: Sequence[Instance],
    verifier: Verifier,
    remembered: Remembered,
    *,
    concurrency: int,
    seen: Seen | None = None,
) -> dict[str, str]:
    """The unhealthy instances by id, with the reason (invariant 5); `seen` is told of each that was judged.

    Only health is remembered: what failed once, e.g. by a time-out on a busy machine, is looked at again.
    """
    unknown = [instance for instance in instances if not remembered.healthy(instance)]

    def note(instance: Instance, health: Health) -> None:
        if not health.faults:
            remembered.note([instance])  # at once: what is proven stays proven, however this ends
        if seen is not None:
            seen(instance, health)

    found = await examine_all(unknown, verifier, concurrency, thorough=False, seen=note)
    return {name: "; ".join(one.faults) for name, one in found.items() if one.faults}


def refuse_unhealthy(instances: Sequence[Instance], unhealthy: Mapping[str, str]) -> None:
    """Raises DatasetError where no instance is left: nothing that a model answers could be judged."""
    if any(instance.id not in unhealthy for instance in instances):
        return
    first = dict.fromkeys(" ".join(why.split()).rstrip(".") for why in unhealthy.values())  # each reason once
    reasons = "; ".join(list(first)[:REASONS]) + ("; …" if len(first) > REASONS else "")
    count = "the only instance is not" if len(instances) == 1 else f"none of the {len(instances)} instances is"
    raise DatasetError(
        f"nothing was asked: {count} healthy: {reasons}. Mend the dataset or the rubric; "
        "`evalkit dataset check` shows each fault."
    )


async def homeless(
    environments: Environments, sandbox: Sandbox, instances: Iterable[Instance]
) -> tuple[dict[str, str], dict[str, str]]:
    """The instances whose tests have nothing to run in here, by id with the reason: by their fault, and by outages."""
    everything = list(instances)
    broken = await built(environments, everything)
    unfit: dict[str, str] = {}
    away: dict[str, str] = {}
    for one in everything:
        if one.repo is None:
            continue
        if error := broken.get(one.repo.environment):
            kind = unfit if isinstance(error, ConfigError) else away
            kind[one.id] = f"environment {one.repo.environment!r}: {error}"
        elif why := await misplaced(one, await environments.built(one.repo.environment), sandbox):
            unfit[one.id] = why
    return unfit, away


async def built(environments: Environments, instances: Iterable[Instance]) -> dict[str, EvalkitError]:
    """Build what the instances' tests run in, once each; what went wrong, by the environment's name."""
    faults: dict[str, EvalkitError] = {}
    for name in dict.fromkeys(one.repo.environment for one in instances if one.repo):
        try:
            await environments.built(name)
        except (ConfigError, InfrastructureError) as error:
            faults[name] = error
    return faults


async def _repositories(instances: Iterable[Instance]) -> list[str]:
    """Look for each repository; whether it has all commits is told by each instance's health."""
    first = {one.repo.name: one for one in reversed(list(instances)) if one.repo}
    faults = []
    for name, instance in sorted(first.items()):
        try:
            await asyncio.to_thread(instance.files.get, "")  # whatever is asked, it is looked for, or even fetched
        except (DatasetError, InfrastructureError) as error:
            faults.append(f"repository {name!r}: {error}")
    return faults


def _of_tests(instance: Instance) -> list[str]:
    return [instance.image] if instance.tests is not None else []


async def _check(name: str, model: Model) -> str:
    try:
        await model.check()
    except EvalkitError as error:
        return f"{name}: {error}"
    return ""


async def _sandbox(sandbox: Sandbox, images: Iterable[str]) -> str:
    try:
        await (sandbox.check(*images) if any(images) else sandbox.check())
    except InfrastructureError as error:
        return f"sandbox: {error}"
    return ""
