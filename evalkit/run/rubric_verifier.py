"""Judges by rubrics: the instance's own, and one by name for all instances."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.judge import LARGEST, judge, merged, rejected
from evalkit.core.ports import Ask, Environments, Sandbox, Workspace
from evalkit.core.rubric import Rubric, Rule, Violation
from evalkit.core.types import Candidate, Instance, Verdict
from evalkit.run.checking import effects, held, missing, stage
from evalkit.run.tests_verifier import TestsVerifier
from evalkit.run.world import RuleWorld

AFTER_REJECTION = ("skip", "run")

Found = dict[str, list[Violation]]


class Rubrics(Protocol):
    """Where a rubric's name leads."""

    def find(self, name: str) -> Rubric:
        """The rubric of that name. Raises RubricError."""
        ...


@dataclass
class RubricVerifier:
    """`rubric` names one that every candidate is judged by, besides its instance's own; `rubrics` finds it.

    Rules are judged in stages, the cheapest first: the text alone, the sandbox (`compiles`, `command`, `tests`), a
    grader. Once the candidate can no longer be accepted, later stages are skipped (`after_rejection: skip`) or
    judged all the same, which tells the model more (`run`). A rule that was skipped is counted in the verdict's
    `rules_unjudged` and does not count as held: `score` is then the least that it can be. An answer without any
    text is never taken into the sandbox or to a grader. `timeout_s` and `memory_mb` are what the instance's tests
    and commands may use; a rule's own keys go before. A rubric of text rules alone needs no sandbox.

    Patterns run on the event loop, without a time limit: a thread would not help, since Python's `re` keeps the
    interpreter's lock while it matches. See docs/rubrics.md.
    """

    rubrics: Rubrics
    rubric: str | None = None
    sandbox: Sandbox | None = None
    ask: Ask | None = None
    after_rejection: str = "skip"
    timeout_s: float = 10.0
    memory_mb: int = 512
    workspace: Workspace | None = None
    environments: Environments | None = None

    def __post_init__(self) -> None:
        """Find the named rubric now, before anything is spent. Raises RubricError and ValueError."""
        if self.after_rejection not in AFTER_REJECTION:
            words = " or ".join(AFTER_REJECTION)
            raise ValueError(f"after_rejection is {self.after_rejection!r}; it must be {words}")
        self._shared = self.rubrics.find(self.rubric) if self.rubric else None
        self._tests = (
            TestsVerifier(
                sandbox=self.sandbox,
                timeout_s=self.timeout_s,
                memory_mb=self.memory_mb,
                workspace=self.workspace,
                environments=self.environments,
            )
            if self.sandbox is not None
            else None
        )

    def covers(self, instance: Instance) -> str:
        """Empty if there is a rubric to judge by, and the instance has all that its rules need."""
        applied = self._applied(instance)
        return missing(applied, instance) if applied else "has no rubric"

    def rules(self, instance: Instance) -> bool:
        """Whether there is any rule to judge by."""
        return bool(self._applied(instance))

    def images(self, instance: Instance) -> frozenset[str]:
        """The images that judging takes the sandbox with ("": its own); none, where it needs no sandbox."""
        checks = [check for check in effects(self._applied(instance)) if stage(check) == 1]
        return frozenset(getattr(check, "image", "") or instance.image for check in checks)

    def world(self, instance: Instance, candidate: Candidate) -> RuleWorld:
        """What the rules may ask about this candidate."""
        edits = candidate if candidate.files is not None else None
        return RuleWorld(
            instance,
            sandbox=self.sandbox,
            tests=self._tests,
            ask=self.ask,
            language=candidate.language,
            candidate=edits,
        )

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict of all its rubrics. Raises GraderError, SandboxError or ModelError if there can be none."""
        return await self.verify_in(self.world(instance, candidate), candidate)

    async def verify_in(self, world: RuleWorld, candidate: Candidate) -> Verdict:
        """`verify` in a world that is shared with another verifier."""
        instance = world.instance
        applied = self._applied(instance)
        if why := self.covers(instance):
            raise GraderError(f"instance {instance.id!r} {why}: mend it, or set verifier.rubric")
        if not candidate.failure and not candidate.text.strip() and effects(applied):
            candidate = replace(candidate, failure=Failure.EMPTY_RESPONSE)
        if candidate.failure:
            rules = sum(len(rubric.rules) for rubric in applied)
            return replace(rejected(candidate), rules_total=rules)
        begin = perf_counter()
        with world.accounting():
            verdict = await self._judged(applied, candidate.text, world)
        return replace(verdict, seconds=perf_counter() - begin, gradings=tuple(world.gradings))

    async def _judged(self, applied: Sequence[Rubric], text: str, world: RuleWorld) -> Verdict:
        """Stage by stage, while the candidate can still be accepted."""
        found: list[Found] = [{} for _ in applied]
        turns = {stage(rule.check) for rubric in applied for rule in rubric.rules}
        if turns == {0} or len(text) > LARGEST:
            return _verdict(applied, text, found)
        for turn in sorted(turns):
            if turn and self.after_rejection == "skip" and not _can_pass(applied, text, found):
                break
            for rubric, known in zip(applied, found, strict=True):
                for rule in (rule for rule in rubric.rules if stage(rule.check) == turn):
                    known[rule.id] = await _held(rule, text, world)
        return _verdict(
            applied, text, found, [_open(rubric, known) for rubric, known in zip(applied, found, strict=True)]
        )

    def _applied(self, instance: Instance) -> list[Rubric]:
        return [rubric for rubric in (instance.rubric, self._shared) if rubric]


async def _held(rule: Rule, text: str, world: RuleWorld) -> list[Violation]:
    """What the rule finds; the votes that it took are its own."""
    before = len(world.gradings)
    found = await held(rule, text, world)
    world.gradings[before:] = [replace(grading, rule=rule.id) for grading in world.gradings[before:]]
    return found


def _verdict(
    applied: Sequence[Rubric], text: str, found: Sequence[Found], unjudged: Sequence[Sequence[str]] = ()
) -> Verdict:
    """Of all rubrics together."""
    left = unjudged or [()] * len(applied)
    return merged([judge(*one) for one in zip(applied, [text] * len(applied), found, left, strict=True)])


def _can_pass(applied: Sequence[Rubric], text: str, found: Sequence[Found]) -> bool:
    """Whether it would be accepted if all rules held that are still open."""
    hoped = [
        {**{name: [] for name in _open(rubric, known)}, **known} for rubric, known in zip(applied, found, strict=True)
    ]
    return _verdict(applied, text, hoped).accepted


def _open(rubric: Rubric, known: Found) -> list[str]:
    return [rule.id for rule in rubric.rules if rule.id not in known]
