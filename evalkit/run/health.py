"""Is an instance worth asking? Doing nothing must fail, and the known-good answer must pass (invariant 5)."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.core.edits import apply, is_edit
from evalkit.core.errors import DatasetError, GraderError, InfrastructureError, NoGradeError
from evalkit.core.failure import Failure
from evalkit.core.flaky import flaky, without
from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Instance, Outcome, Verdict

NO_GRADE = (
    "So it is not known whether the instance is healthy. Try again, or mend the rule: a clearer prompt, more samples, "
    "on_abstain, another model."
)
EMPTY = "the empty answer"
GOLD = "the gold patch"


@dataclass(frozen=True, slots=True)
class Health:
    """What an instance's proofs showed: it is healthy if there are no `faults`.

    `flaky` are the tests that went both ways with the gold patch, with how often they passed; the faults are what is
    left without them. `outage` says why nothing is known. `judged` counts the verdicts.
    """

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    flaky: Mapping[str, str] = field(default_factory=dict)
    outage: str = ""
    judged: int = 0


Seen = Callable[[Instance, Health], None]


async def examine(instance: Instance, verifier: Verifier, *, thorough: bool = True, repeat: int = 1) -> Health:
    """Judge the proofs of an instance.

    Thorough: every good answer must pass and every bad one fail; else the first good one stands for all. The gold
    patch is judged `repeat` times; tests that go both ways are left out of what it must pass.
    Raises SandboxError, ModelError or NoGradeError where nothing can be judged: an outage, or a model as grader that
    gives no verdict, is no fault of the instance.
    """
    if missing := verifier.covers(instance) or _unreachable(instance):
        return Health((missing,))
    judged = [(proof, await _verdict(instance, proof, verifier)) for proof in _proofs(instance, thorough, repeat)]
    unsteady = flaky([verdict.tests for proof, verdict in judged if proof.gold and isinstance(verdict, Verdict)])
    steady = without(instance, unsteady)
    faults = [fault for proof, verdict in judged if (fault := _fault(steady, proof, verdict))]
    notes = [note for proof, verdict in judged if (note := _note(steady, proof, verdict))]
    if unsteady and steady.tests and not steady.tests.fail_to_pass:
        faults = ["every test of fail_to_pass goes both ways with the gold patch"]
    return Health(tuple(dict.fromkeys(faults)), tuple(notes), unsteady, judged=len(judged))


async def examine_all(
    instances: Iterable[Instance],
    verifier: Verifier,
    concurrency: int = 2,
    *,
    thorough: bool = True,
    repeat: int = 1,
    seen: Seen | None = None,
    outages: int = 0,
) -> dict[str, Health]:
    """The health of every instance by id, in the order of `instances`; `seen` is told of each when it is known.

    The first outage ends it, and is raised; but `outages` of them are only noted, each with its instance, as long as
    no more follow each other: where one environment cannot be built, the others' instances can be judged.
    """
    everything = list(instances)
    found: dict[str, Health] = {}
    waiting, in_a_row = iter(everything), 0  # shared by the workers: each takes the next one

    async def work() -> None:
        nonlocal in_a_row
        for instance in waiting:
            try:
                one = await examine(instance, verifier, thorough=thorough, repeat=repeat)
                in_a_row = 0
            except InfrastructureError as error:
                in_a_row += 1
                if in_a_row > outages:
                    raise
                one = Health(outage=str(error))
            found[instance.id] = one
            if seen is not None:
                seen(instance, one)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, concurrency)):
                group.create_task(work())
    except ExceptionGroup as failed:  # the first one is told as itself; it has cancelled the other workers
        raise failed.exceptions[0] from None
    return {instance.id: found[instance.id] for instance in everything}


@dataclass(frozen=True, slots=True)
class _Proof:
    """What to judge, what it is called, and whether it must pass."""

    what: str
    candidate: Candidate
    expected: bool
    gold: bool = False


def _proofs(instance: Instance, thorough: bool, repeat: int) -> Iterator[_Proof]:
    yield _Proof(EMPTY, _candidate(instance, ""), expected=False)
    for number in range(repeat if instance.gold else 0):
        again = f" (run {number + 1} of {repeat})" if repeat > 1 else ""
        yield _Proof(GOLD + again, _gold(instance), expected=True, gold=True)
    proven = bool(instance.gold) and not thorough
    for number, text in enumerate(instance.good if thorough else instance.good[: 0 if proven else 1], 1):
        yield _Proof(f"good answer {number}", _candidate(instance, text), expected=True)
    for number, text in enumerate(instance.bad if thorough else (), 1):
        yield _Proof(f"bad answer {number}", _candidate(instance, text), expected=False)


def _unreachable(instance: Instance) -> str:
    """Why the repository's files cannot be had; empty if they can."""
    try:
        instance.files.get("")  # whatever is asked, the repository is looked for
    except DatasetError as error:
        return str(error)
    return ""


def _candidate(instance: Instance, text: str) -> Candidate:
    if is_edit(instance.answer):
        return Candidate(text, files=None if text else instance.files)  # doing nothing is told by the tests
    kind, _, language = instance.answer.partition(":")
    return Candidate(text, language or ("json" if kind == "json" else ""))


def _gold(instance: Instance) -> Candidate:
    """A diff whatever the answers' format is, and free to touch what answers must not."""
    done = apply("unified_diff", instance.gold, instance.files, protected=())
    return Candidate(instance.gold, files=done.files, failure=done.failure, findings=done.findings)


async def _verdict(instance: Instance, proof: _Proof, verifier: Verifier) -> Verdict | str:
    """The verdict, or why there is none."""
    try:
        return await verifier.verify(instance, proof.candidate)
    except NoGradeError as error:
        raise NoGradeError(f"instance {instance.id!r}: {proof.what}: {str(error).rstrip('.')}. {NO_GRADE}") from error
    except GraderError as error:  # a grader that breaks on its own instance is that instance's fault
        return str(error)


def _fault(instance: Instance, proof: _Proof, verdict: Verdict | str) -> str:
    """What a verdict shows against the instance; empty if it is as it should be."""
    if isinstance(verdict, str):
        return f"{proof.what} cannot be judged: {verdict}"
    if proof.what == EMPTY and (done := _passing(instance, verdict)) and len(done) == len(_failing(instance)):
        return f"{EMPTY} passes already what a solution must make pass: {_some(done)}"
    if verdict.accepted and not proof.expected:
        return f"{proof.what} is accepted"
    is_edit_at_fault = verdict.failure in (Failure.NO_EDITS, Failure.APPLY_FAILED)
    if is_edit_at_fault and proof.candidate.text and not proof.expected:
        return f"{proof.what} proves nothing, its edits do not apply: {_why(verdict)}"
    if proof.expected and not verdict.accepted:
        return _rejected(instance, proof, verdict)
    return ""


def _rejected(instance: Instance, proof: _Proof, verdict: Verdict) -> str:
    """Why an answer that must pass does not; of tests, those that are steady count."""
    if not verdict.tests or not instance.repo:
        return f"{proof.what} is rejected: {_why(verdict)}"
    wanted = {*_failing(instance), *(instance.tests.pass_to_pass if instance.tests else ())}
    red = [test.name for test in verdict.tests if test.name in wanted and test.outcome is not Outcome.PASSED]
    if not red and verdict.failure is Failure.TEST_FAILURE:
        return ""  # by tests that go both ways alone
    which = f" ({_some(red)})" if red else ""
    return f"{proof.what} is rejected{which}: {_why(verdict)}"


def _note(instance: Instance, proof: _Proof, verdict: Verdict | str) -> str:
    """What is odd, but no fault."""
    if proof.what != EMPTY or isinstance(verdict, str):
        return ""
    done, all_of_them = _passing(instance, verdict), _failing(instance)
    if not 0 < len(done) < len(all_of_them):
        return ""
    return f"{len(done)} of {len(all_of_them)} fail_to_pass pass already: {_some(done)}"


def _failing(instance: Instance) -> Sequence[str]:
    return instance.tests.fail_to_pass if instance.tests else ()


def _passing(instance: Instance, verdict: Verdict) -> list[str]:
    """Of the tests that fail without a solution, those that passed."""
    wanted = set(_failing(instance))
    return [test.name for test in verdict.tests if test.name in wanted and test.outcome is Outcome.PASSED]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004  one line


def _why(verdict: Verdict) -> str:
    """The first reason, on one line."""
    for finding in verdict.findings:
        return f"{finding.rule}: {' '.join(finding.message.split())}"
    return verdict.failure.value if verdict.failure else "no reason given"
