"""What rules may ask of the world about one instance: its sandbox, its tests, a grader."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from evalkit.core.errors import GraderError, InfrastructureError, SandboxError
from evalkit.core.gradings import lost
from evalkit.core.ports import Ask, Execution, Job, Limits, Sandbox
from evalkit.core.types import Candidate, Completion, Grading, Instance, Message, Verdict
from evalkit.run.tests_verifier import TestsVerifier


class RuleWorld:
    """One instance's world. `language` is the candidate's, as its answer names it; `candidate`: itself, of edits.

    `tested` holds the tests' verdicts by candidate, `asked` every grader's answer. For one candidate at a time,
    hence without a lock.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        sandbox: Sandbox | None = None,
        tests: TestsVerifier | None = None,
        ask: Ask | None = None,
        language: str = "",
        candidate: Candidate | None = None,
    ) -> None:
        self.asked: list[Completion] = []
        self.gradings: list[Grading] = []
        self._instance = instance
        self._sandbox = sandbox
        self._tests = tests
        self._ask = ask
        self._language = language
        self._candidate = candidate
        self.tested: dict[str, Verdict] = {}

    @property
    def instance(self) -> Instance:
        """Whose candidate is judged."""
        return self._instance

    @property
    def limits(self) -> Limits:
        """The sandbox's, with the seconds and megabytes that the verifier gives to tests."""
        if self._sandbox is None:
            raise SandboxError(NO_SANDBOX)
        if self._tests is None:
            return self._sandbox.limits
        return replace(self._sandbox.limits, seconds=self._tests.timeout_s, memory_mb=self._tests.memory_mb)

    @contextmanager
    def accounting(self) -> Iterator[None]:
        """An outage within says what graders were paid until then."""
        try:
            yield
        except InfrastructureError as error:
            error.spent = lost(self.asked)
            raise

    async def run(self, job: Job) -> Execution:
        """Run a command in the sandbox, in the instance's image unless the job names another."""
        if self._sandbox is None:
            raise SandboxError(NO_SANDBOX)
        return await self._sandbox.run(replace(job, image=job.image or self._instance.image))

    async def test(self, candidate: str) -> Verdict:
        """The verdict of the instance's own tests; they run once, however many ask."""
        if self._tests is None:
            raise GraderError(f"{self._instance.id}: nothing here can run tests; choose verifier=rubric or both")
        if candidate not in self.tested:
            given = self._candidate
            found = given if given and given.text == candidate else Candidate(candidate, self._language)
            self.tested[candidate] = await self._tests.verify(self._instance, found)
        return self.tested[candidate]

    async def ask(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], number: int = 1
    ) -> Completion:
        """A grader's answer. Raises ModelError on an outage."""
        if self._ask is None:
            raise GraderError(f"{self._instance.id}: nothing here can ask the grader {model}")
        answer = await self._ask(model, messages, params, instance_id=self._instance.id, number=number)
        self.asked.append(answer)
        return answer

    def note(self, grading: Grading) -> None:
        """Keep a grader's votes."""
        self.gradings.append(grading)


NO_SANDBOX = "this rule needs a sandbox, and there is none here; choose one, e.g. sandbox=bubblewrap"
