"""An instance out of a commit that brings tests: what they say before and after decides which prove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from evalkit.core.edits import apply
from evalkit.core.ports import Environments, Sandbox, Workspace
from evalkit.core.types import Candidate, Instance, Outcome, Repo, Tests
from evalkit.run.judging.channel import Trial
from evalkit.run.judging.repository import RepositoryTests


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to a repository at `repo.commit`: a solution, its tests, and what to run of them."""

    id: str
    repo: Repo
    gold: str
    tests: str
    targets: tuple[str, ...]


class Unsuitable(Exception):  # noqa: N818  it is an outcome
    """Why no instance can be made of a commit."""


async def proven(
    change: Change, sandbox: Sandbox, workspace: Workspace, environments: Environments, *, repeat: int = 1
) -> Tests:
    """The tests with those names that the commit makes pass, and those that pass before and after it.

    Run once without the solution and `repeat` times with it: what does not pass each time is in neither list.
    Raises Unsuitable, SandboxError or GraderError.
    """
    tests = Tests("repo", patch=change.tests, targets=change.targets)
    files = workspace.files(change.repo)
    instance = Instance(change.id, "", answer="unified_diff", tests=tests, files=files, repo=change.repo)
    instance = replace(instance, gold=change.gold)
    runner = RepositoryTests(sandbox, workspace, environments)
    before = await _seen(runner, instance, Candidate("", files=files))
    done = apply("unified_diff", change.gold, files, protected=())
    if done.failure:
        raise Unsuitable("its change cannot be applied: " + " ".join(found.message for found in done.findings))
    runs = [await _seen(runner, instance, Candidate(change.gold, files=done.files)) for _ in range(repeat)]
    if Outcome.PASSED not in runs[0].values():
        why = await _why(runner, instance, Candidate(change.gold, files=done.files))
        mend = f"mend the environment {change.repo.environment!r}: its packages, env (PYTHONPATH) or test command"
        raise Unsuitable(f"no test {'passes' if runs[0] else 'ran'} with its change{why}; {mend}")
    return _named(tests, before, runs)


async def _seen(runner: RepositoryTests, instance: Instance, candidate: Candidate) -> dict[str, Outcome]:
    assert instance.tests is not None
    return await runner.seen(Trial(instance, instance.tests, candidate, token_hex(16), runner.sandbox.limits))


async def _why(runner: RepositoryTests, instance: Instance, candidate: Candidate) -> str:
    """What the test command says of a test that cannot be there."""
    assert instance.tests is not None
    tests = replace(instance.tests, fail_to_pass=("any test",))
    found = await runner.verdict(Trial(instance, tests, candidate, token_hex(16), runner.sandbox.limits))
    said = " ".join(" ".join(one.message.partition("not seen to run")[2] for one in found.findings).split())
    return f"{said} ({place})" if (place := found.findings[0].excerpt if found.findings else "") else said


def _named(tests: Tests, before: Mapping[str, Outcome], runs: Sequence[Mapping[str, Outcome]]) -> Tests:
    after = [name for name in runs[0] if all(run.get(name) is Outcome.PASSED for run in runs)]
    failing = tuple(name for name in after if before.get(name) is not Outcome.PASSED)
    passing = tuple(name for name in after if before.get(name) is Outcome.PASSED)
    if not failing:
        red = len(runs[0]) - len(after)
        also = f", {red} do not pass with it" if red else ""
        raise Unsuitable(f"no test goes from fail to pass ({len(passing)} pass before and after{also})")
    return replace(tests, fail_to_pass=failing, pass_to_pass=passing)
