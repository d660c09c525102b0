"""What goes into the tree: the candidate's changes, the instance's tests over them, and runners as they were."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from evalkit.core.edits import apply, changed
from evalkit.core.edits.paths import PROTECTED, normal, refused
from evalkit.core.environment import Environment
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Finding, Instance, Tests, Verdict
from evalkit.run.judging.channel import Trial, failed, finding

# What runs the tests, by report, where it is a part of the repository itself.
RUNNERS = {
    "sympy": (
        "sympy/testing/runtests.py", "sympy/testing/pytest.py", "sympy/utilities/runtests.py",
        "sympy/utilities/pytest.py",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Laid:
    """Files by path, and paths that go. `tests` are those that the instance's patch touches.

    `restored` are files of the candidate's that stay as the repository has them. `refusal` is the verdict on a
    candidate that cannot be laid out.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    refusal: Verdict | None = None


def laid(trial: Trial, environment: Environment) -> Laid:
    """Raises GraderError where the tests' own patch does not fit the repository: the dataset's fault."""
    made = _made(trial.instance, trial.candidate)
    tests = test_files(trial.instance, trial.tests)
    restored = tuple(path for path in made if path not in tests and _runs(path, trial.instance, environment))
    kept = {path: text for path, text in made.items() if path not in restored and path not in tests}
    if found := _refusals(kept, trial.instance.files):
        return Laid(refusal=failed(Failure.APPLY_FAILED, *found))
    whole: dict[str, str | None] = {**environment.files, **kept, **tests}
    return Laid(
        files={path: text for path, text in whole.items() if text is not None},
        removed=tuple(path for path, text in whole.items() if text is None and path in trial.instance.files),
        tests=tuple(tests),
        restored=restored,
    )


def test_files(instance: Instance, tests: Tests) -> dict[str, str | None]:
    """The files that the tests' patch touches, as it leaves them (None: gone), whatever a candidate did to them."""
    if not tests.patch.strip():
        return {}
    done = apply("unified_diff", tests.patch, instance.files, protected=())
    if done.failure:
        why = " ".join(one.message for one in done.findings)[:400]
        at = f" at {instance.repo.commit}" if instance.repo else ""
        raise GraderError(f"{instance.id}: the patch with its tests does not fit the repository{at}: {why}")
    return changed(instance.files, done.files)


def to_parse(instance: Instance, tests: Tests, candidate: Candidate) -> dict[str, str]:
    """Python files that it changes, by path; not those that did not parse before, such as data of old tests."""
    ours = test_files(instance, tests)
    made = {path: text for path, text in _made(instance, candidate).items() if path not in ours}
    return {
        path: text
        for path, text in made.items()
        if text is not None and path.endswith(".py") and _parses(instance.files.get(path, ""))
    }


def _made(instance: Instance, candidate: Candidate) -> dict[str, str | None]:
    return {} if candidate.files is None else changed(instance.files, candidate.files)


def _parses(text: str) -> bool:
    try:
        compile(text, "before", "exec", dont_inherit=True, flags=0x400)  # ast.PyCF_ONLY_AST: nothing runs
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _runs(path: str, instance: Instance, environment: Environment) -> bool:
    """Whether tests are run or set up by it, so that an edit could say what they say; what the known answer touches
    cannot be one of those."""  # noqa: D205, D209
    named = {normal(word) for word in environment.test} & {path}
    by_name = any(fnmatchcase(part, pattern) for part in path.split("/") for pattern in PROTECTED)
    if not (named or by_name or path in RUNNERS.get(environment.report, ())):
        return False
    return path not in _known_to_change(instance)


def _known_to_change(instance: Instance) -> Iterable[str]:
    return changed(instance.files, apply("unified_diff", instance.gold, instance.files, protected=()).files)


def _refusals(made: Mapping[str, str | None], files: Mapping[str, str]) -> list[Finding]:
    reasons = [(path, refused(path, files, ())) for path, text in made.items() if text is not None]
    return [finding("edits", f"{path!r} {why}; no edit may touch it.", source="rule") for path, why in reasons if why]
