"""Is an instance worth asking? Doing nothing must fail, and the known-good answer must pass (invariant 5)."""

import asyncio
from collections.abc import Iterable, Iterator

from evalkit.core.edits import is_edit
from evalkit.core.errors import GraderError, NoGradeError
from evalkit.core.failure import Failure
from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Instance, Verdict

NO_GRADE = (
    "So it is not known whether the instance is healthy. Try again, or mend the rule: a clearer prompt, more samples, "
    "on_abstain, another model."
)


async def health(instance: Instance, verifier: Verifier, *, thorough: bool = True) -> tuple[str, ...]:
    """What is wrong with the instance, one line a fault; empty if it is healthy.

    Thorough: every good answer must pass and every bad one fail; else the first good one stands for all.
    Raises SandboxError, ModelError or NoGradeError where nothing can be judged: an outage, or a model as grader that
    gives no verdict, is no fault of the instance.
    """
    if missing := verifier.covers(instance):
        return (missing,)
    faults = []
    for what, text, expected in _proofs(instance, thorough=thorough):
        try:
            verdict = await verifier.verify(instance, _candidate(instance, text))
        except NoGradeError as error:
            raise NoGradeError(f"instance {instance.id!r}: {what}: {str(error).rstrip('.')}. {NO_GRADE}") from error
        except GraderError as error:  # a grader that breaks on its own instance is that instance's fault
            faults.append(f"{what} cannot be judged: {error}")
            continue
        if verdict.accepted and not expected:
            faults.append(f"{what} is accepted")
        elif verdict.failure in (Failure.NO_EDITS, Failure.APPLY_FAILED) and text and not expected:
            faults.append(f"{what} proves nothing, its edits do not apply: {_why(verdict)}")
        elif expected and not verdict.accepted:
            faults.append(f"{what} is rejected: {_why(verdict)}")
    return tuple(faults)


async def check_all(
    instances: Iterable[Instance], verifier: Verifier, concurrency: int = 2, *, thorough: bool = True
) -> dict[str, tuple[str, ...]]:
    """The faults of every unhealthy instance by id, in the order of `instances`."""
    faults: dict[str, tuple[str, ...]] = {}
    waiting = iter(list(instances))  # shared by the workers: each takes the next one
    order = []

    async def work() -> None:
        for instance in waiting:
            order.append(instance.id)
            if found := await health(instance, verifier, thorough=thorough):
                faults[instance.id] = found

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, concurrency)):
                group.create_task(work())
    except ExceptionGroup as outages:  # the first one is told as itself; it has cancelled the other workers
        raise outages.exceptions[0] from None
    return {name: faults[name] for name in order if name in faults}


def _proofs(instance: Instance, *, thorough: bool) -> Iterator[tuple[str, str, bool]]:
    """What to judge, its text, and whether it must pass."""
    yield "the empty answer", "", False
    for number, text in enumerate(instance.good if thorough else instance.good[:1], 1):
        yield f"good answer {number}", text, True
    for number, text in enumerate(instance.bad if thorough else (), 1):
        yield f"bad answer {number}", text, False


def _candidate(instance: Instance, text: str) -> Candidate:
    if is_edit(instance.answer):
        return Candidate(text, files=None if text else instance.files)  # doing nothing is told by the tests
    kind, _, language = instance.answer.partition(":")
    return Candidate(text, language or ("json" if kind == "json" else ""))


def _why(verdict: Verdict) -> str:
    """The first reason, on one line."""
    for finding in verdict.findings:
        return f"{finding.rule}: {' '.join(finding.message.split())}"
    return verdict.failure.value if verdict.failure else "no reason given"
