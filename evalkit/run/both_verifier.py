"""Judges by rubric and by tests, cheapest first: what breaks a rule need not cost a sandbox."""

from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.core.errors import GraderError
from evalkit.core.judge import merged, rejected
from evalkit.core.ports import Sandbox, Verifier
from evalkit.core.types import Candidate, Instance, Verdict
from evalkit.run.rubric_verifier import Rubrics, RubricVerifier
from evalkit.run.tests_verifier import TestsVerifier

AFTER_REJECTION = ("skip", "run")


@dataclass
class BothVerifier:
    """Accepts what every verifier that covers the instance accepts.

    `after_rejection` says whether a candidate that its rubric rejected is tested too: `skip` saves the time,
    `run` tells the model more. `rubric` names one for all instances; the rest are the tests' settings.
    """

    sandbox: Sandbox
    rubrics: Rubrics
    rubric: str | None = None
    after_rejection: str = "skip"
    timeout_s: float = 10.0
    memory_mb: int = 512

    def __post_init__(self) -> None:
        """Build the two verifiers. Raises ValueError and RubricError."""
        if self.after_rejection not in AFTER_REJECTION:
            words = " or ".join(AFTER_REJECTION)
            raise ValueError(f"after_rejection is {self.after_rejection!r}; it must be {words}")
        self._verifiers: tuple[Verifier, Verifier] = (
            RubricVerifier(rubrics=self.rubrics, rubric=self.rubric),
            TestsVerifier(sandbox=self.sandbox, timeout_s=self.timeout_s, memory_mb=self.memory_mb),
        )

    def covers(self, instance: Instance) -> str:
        """Empty if there is a rubric or there are tests; tests that cannot be run are not passed over."""
        if instance.tests is not None and (missing := self._verifiers[1].covers(instance)):
            return missing
        return "" if any(self._covering(instance)) else "has neither rubric nor tests"

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The merged verdict of those that cover the instance. Raises GraderError if there are none."""
        if missing := self.covers(instance):
            raise GraderError(f"instance {instance.id!r}: {missing}")
        if candidate.failure:
            return rejected(candidate)
        verdicts: list[Verdict] = []
        for verifier in self._covering(instance):
            verdicts.append(await verifier.verify(instance, candidate))
            if not verdicts[-1].accepted and self.after_rejection == "skip":
                break
        return merged(verdicts)

    def _covering(self, instance: Instance) -> Iterator[Verifier]:
        return (verifier for verifier in self._verifiers if not verifier.covers(instance))
