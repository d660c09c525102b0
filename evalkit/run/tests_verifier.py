"""Judges a candidate by its instance's tests, run in a sandbox."""

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_hex

from evalkit.core.edits import edited, is_edit
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.judge import rejected
from evalkit.core.ports import Environments, Execution, Job, Sandbox, Workspace
from evalkit.core.types import Candidate, Finding, Instance, Tests, Verdict
from evalkit.run.judging import cases, command, rust, suite
from evalkit.run.judging.channel import Trial, failed, finding, readable
from evalkit.run.judging.kept import Kept
from evalkit.run.judging.repository import RepositoryTests, to_parse

MakeJob = Callable[[Trial], Job]
Judge = Callable[[Trial, Execution], Verdict]

KINDS: dict[str, tuple[MakeJob, Judge]] = {
    "cases": (cases.cases_job, cases.judge),
    "sqlite": (cases.sqlite_job, cases.judge),
    "pytest": (suite.suite_job, suite.judge),
    "command": (command.command_job, command.judge),
    "rust": (rust.rust_job, rust.judge),
}
REPOSITORY = "repo"  # the one kind that needs more than a job of its own


@dataclass
class TestsVerifier:
    """Seconds and megabytes that a candidate may use; an instance's own `timeout_s` goes before.

    Tests of a repository have those of their environment instead; they alone need `workspace` and `environments`.
    """

    sandbox: Sandbox
    timeout_s: float = 10.0
    memory_mb: int = 512
    workspace: Workspace | None = None
    environments: Environments | None = None

    __test__ = False  # pytest: this is no test class

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        for name in ("timeout_s", "memory_mb"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be more than 0")
        self._kept = Kept()
        self._repository = RepositoryTests(self.sandbox, self.workspace, self.environments)

    def covers(self, instance: Instance) -> str:
        """Empty if the instance has tests that can be run here."""
        if instance.tests is None:
            return f"{instance.id} has no tests"
        if instance.tests.kind == REPOSITORY:
            return self._repository.covers(instance)
        if instance.tests.kind not in KINDS:
            known = ", ".join([*KINDS, REPOSITORY])
            return f"{instance.id} has tests of kind {instance.tests.kind!r}; known are {known}"
        if is_edit(instance.answer) and (instance.tests.kind != "pytest" or instance.tests.isolation):
            return f"{instance.id}: edits are tested by tests of kind 'pytest' without isolation only"
        return ""

    def images(self, instance: Instance) -> frozenset[str]:
        """The image that the tests run in ("": the sandbox's own); none, where there are no tests."""
        if instance.tests is None:
            return frozenset()
        return frozenset([self._repository.image(instance)])

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """Run the tests. Raises SandboxError or GraderError if they could not be run (invariant 2)."""
        tests = instance.tests
        if tests is None or self.covers(instance):
            raise GraderError(f"{self.covers(instance)}. Choose a verifier that covers it, e.g. verifier=rubric.")
        if candidate.failure is None and is_edit(instance.answer):
            done = edited(instance, candidate)
            candidate = replace(candidate, files=done.files, failure=done.failure, findings=done.findings)
        if candidate.failure is not None:
            return rejected(candidate)
        texts = _modules(instance, tests, candidate)
        broken = [found for name, text in texts.items() if (found := _syntax(name, text))]
        return failed(Failure.SYNTAX_ERROR, *broken) if broken else await self._run(instance, tests, candidate)

    async def _run(self, instance: Instance, tests: Tests, candidate: Candidate) -> Verdict:
        seconds = tests.timeout_s or self.timeout_s
        limits = replace(self.sandbox.limits, seconds=seconds, memory_mb=self.memory_mb)
        trial = Trial(instance, tests, candidate, token_hex(16), limits)
        if tests.kind == REPOSITORY:
            return await self._repository.verdict(trial)
        make_job, judge = KINDS[tests.kind]
        trial = replace(trial, kept=await self._kept.of(trial, self.sandbox))
        done = await self.sandbox.run(replace(make_job(trial), image=instance.image))
        return readable(trial, lambda: judge(trial, done))


def _modules(instance: Instance, tests: Tests, candidate: Candidate) -> dict[str, str]:
    """What of the candidate is Python by itself, by file: of edits, the files that they change."""
    if tests.kind == REPOSITORY:
        return to_parse(instance, tests, candidate)
    if candidate.files is None:
        return {"": candidate.text} if _must_parse(instance, tests, candidate) else {}
    changed = {path: text for path, text in candidate.files.items() if instance.files.get(path) != text}
    return {path: text for path, text in changed.items() if path.endswith(".py")}


def _must_parse(instance: Instance, tests: Tests, candidate: Candidate) -> bool:
    """A `completion:` may go on in the middle of the prompt's function, and is no module by itself."""
    return suite.is_python(instance, tests, candidate) and not instance.answer.startswith("completion:")


def _syntax(name: str, text: str) -> Finding | None:
    """Parsing runs nothing of the candidate, and saves a sandbox."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # e.g. an invalid escape: no concern of the user's terminal
            ast.parse(text, name or "candidate.py")
    except SyntaxError as error:
        near = f": `{error.text.strip()[:120]}`" if error.text else ""
        message = f"{name or 'The code'} is not valid Python: {error.msg} (line {error.lineno}{near})."
        return finding("syntax", message, line=error.lineno, source="rule")
    except SystemError:  # Python before 3.11.5, rarely (its issue 106905): the sandbox will find out
        return None
    except (ValueError, RecursionError, MemoryError) as error:  # a null character, or nested too deep to parse
        return finding("syntax", f"{name or 'The code'} cannot be parsed as Python: {_sentence(error)}", source="rule")
    return None


def _sentence(error: Exception) -> str:
    """Python's own words may end in a question: "did you mean 'def'?"."""
    text = str(error)
    return text if text.endswith(("?", ".", "!")) else f"{text}."
