"""Judges by rubric and by tests, cheapest first: what breaks a rule need not cost a sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.core.errors import GraderError
from evalkit.core.judge import merged, rejected
from evalkit.core.ports import Ask, Environments, Sandbox, Workspace
from evalkit.core.types import Candidate, Instance, Verdict
from evalkit.run.rubric_verifier import Rubrics, RubricVerifier
from evalkit.run.tests_verifier import TestsVerifier
from evalkit.run.world import RuleWorld


@dataclass
class BothVerifier:
    """Accepts what every verifier that covers the instance accepts.

    `after_rejection` says whether a candidate that its rubric rejected is tested too: `skip` saves the time,
    `run` tells the model more; it holds for the rubric's own later stages as well (RubricVerifier). `rubric`
    names one for all instances; the rest are the tests' settings. The tests run once a candidate, also where a
    rule of kind `tests` asks for them.
    """

    sandbox: Sandbox
    rubrics: Rubrics
    rubric: str | None = None
    ask: Ask | None = None
    after_rejection: str = "skip"
    timeout_s: float = 10.0
    memory_mb: int = 512
    workspace: Workspace | None = None
    environments: Environments | None = None

    def __post_init__(self) -> None:
        """Build the two verifiers. Raises ValueError and RubricError."""
        self._rules = RubricVerifier(
            rubrics=self.rubrics,
            rubric=self.rubric,
            sandbox=self.sandbox,
            ask=self.ask,
            after_rejection=self.after_rejection,
            timeout_s=self.timeout_s,
            memory_mb=self.memory_mb,
            workspace=self.workspace,
            environments=self.environments,
        )
        self._tests = TestsVerifier(
            sandbox=self.sandbox,
            timeout_s=self.timeout_s,
            memory_mb=self.memory_mb,
            workspace=self.workspace,
            environments=self.environments,
        )

    def covers(self, instance: Instance) -> str:
        """Empty if there is a rubric or there are tests; what cannot be judged of them is not passed over."""
        if instance.tests is None and not self._ruled(instance):
            return "has neither rubric nor tests"
        tests = self._tests.covers(instance) if instance.tests is not None else ""
        return tests or (self._rules.covers(instance) if self._ruled(instance) else "")

    def images(self, instance: Instance) -> frozenset[str]:
        """The images that judging takes the sandbox with ("": its own); none, where it needs no sandbox."""
        return self._tests.images(instance) | self._rules.images(instance)

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The merged verdict of those that cover the instance. Raises GraderError if there are none."""
        if missing := self.covers(instance):
            raise GraderError(f"instance {instance.id!r}: {missing}")
        if candidate.failure:
            return rejected(candidate)
        world = self._rules.world(instance, candidate)
        verdicts: list[Verdict] = []
        if self._ruled(instance):
            verdicts.append(await self._rules.verify_in(world, candidate))
        rejection = bool(verdicts) and not verdicts[0].accepted
        if instance.tests is not None and not (rejection and self.after_rejection == "skip"):
            with world.accounting():
                verdicts.append(await self._tested(world, candidate, verdicts))
        return merged(verdicts)

    async def _tested(self, world: RuleWorld, candidate: Candidate, earlier: Sequence[Verdict]) -> Verdict:
        """The tests' verdict; where a rule has asked for it, its time is counted and its failures may be told."""
        again = candidate.text in world.tested
        told = any(finding.source == "test" for verdict in earlier for finding in verdict.findings)
        verdict = await world.test(candidate.text)
        return replace(verdict, seconds=0.0 if again else verdict.seconds, findings=() if told else verdict.findings)

    def _ruled(self, instance: Instance) -> bool:
        return self._rules.rules(instance)
