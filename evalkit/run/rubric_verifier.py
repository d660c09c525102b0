"""Judges by rubrics: the instance's own, and one by name for all instances."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from evalkit.core.errors import GraderError
from evalkit.core.judge import judge, merged, rejected
from evalkit.core.rubric import Rubric
from evalkit.core.types import Candidate, Instance, Verdict


class Rubrics(Protocol):
    """Where a rubric's name leads."""

    def find(self, name: str) -> Rubric:
        """The rubric of that name. Raises RubricError."""
        ...


@dataclass
class RubricVerifier:
    """`rubric` names one that every candidate is judged by, besides its instance's own; `rubrics` finds it.

    Patterns run on the event loop, without a time limit: see docs/rubrics.md.
    """

    rubrics: Rubrics
    rubric: str | None = None

    def __post_init__(self) -> None:
        """Find the named rubric now, before anything is spent. Raises RubricError."""
        self._shared = self.rubrics.find(self.rubric) if self.rubric else None

    def covers(self, instance: Instance) -> str:
        """Empty if there is a rubric to judge by."""
        return "" if self._applied(instance) else "has no rubric"

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict of all its rubrics. Raises GraderError if there is none."""
        applied = self._applied(instance)
        if not applied:
            raise GraderError(f"instance {instance.id!r} has no rubric: give it one, or set verifier.rubric")
        if candidate.failure:
            rules = sum(len(rubric.rules) for rubric in applied)
            return replace(rejected(candidate), rules_total=rules)
        begin = perf_counter()
        verdict = merged([judge(rubric, candidate.text) for rubric in applied])
        return replace(verdict, seconds=perf_counter() - begin)

    def _applied(self, instance: Instance) -> list[Rubric]:
        return [rubric for rubric in (instance.rubric, self._shared) if rubric]
