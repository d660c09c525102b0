"""Tests of kind `repo`: the repository's own, on the candidate's files, by name. See docs/repositories.md."""

from dataclasses import dataclass

from evalkit.core.environment import Environment
from evalkit.core.errors import GraderError
from evalkit.core.ports import Environments, Execution, Sandbox, Workspace
from evalkit.core.types import Instance, Outcome, Verdict
from evalkit.run.judging.channel import Trial, readable
from evalkit.run.judging.repository.judged import judge, seen
from evalkit.run.judging.repository.laid import Laid, laid, to_parse
from evalkit.run.judging.repository.placed import misplaced
from evalkit.run.judging.repository.work import job

__all__ = ["RepositoryTests", "to_parse"]


@dataclass(frozen=True)
class RepositoryTests:
    """Leases a pristine tree, runs the test command on it in the sandbox, and judges by what the reporter saw."""

    sandbox: Sandbox
    workspace: Workspace | None = None
    environments: Environments | None = None

    def covers(self, instance: Instance) -> str:
        """Empty if the instance can be tested here, else one line saying what is missing."""
        tests = instance.tests
        if instance.repo is None or tests is None:
            return f"{instance.id} has tests of kind 'repo' and no repo"
        if self.workspace is None or self.environments is None:
            return f"{instance.id} needs a workspace and environments, and there are none here"
        if not tests.fail_to_pass:
            return f"{instance.id} names no test in fail_to_pass, so that nothing could prove a candidate"
        return ""

    def image(self, instance: Instance) -> str:
        """What the sandbox should look like: the instance's word goes before its environment's."""
        if instance.image or instance.repo is None or self.environments is None:
            return instance.image
        return self.environments.recipe(instance.repo.environment).image

    async def verdict(self, trial: Trial) -> Verdict:
        """On one candidate, whose files are made. Raises SandboxError or GraderError (invariant 2)."""
        environment, prepared, done = await self._run(trial)
        return prepared.refusal or readable(trial, lambda: judge(trial, environment, prepared, done))

    async def seen(self, trial: Trial) -> dict[str, Outcome]:
        """Every test that ran, by the name that its runner gives, whoever asks for it. Raises as `verdict`."""
        environment, prepared, done = await self._run(trial)
        return {} if prepared.refusal else seen(trial, environment, done)

    async def _run(self, trial: Trial) -> tuple[Environment, Laid, Execution]:
        """What was laid out, and what the tests' command did with it; nothing, where it is refused."""
        instance = trial.instance
        if instance.repo is None or self.workspace is None or self.environments is None:
            raise GraderError(f"{self.covers(instance)}.")
        built = await self.environments.built(instance.repo.environment)
        if why := await misplaced(instance, built, self.sandbox):
            raise GraderError(f"{instance.id}: {why}.")
        prepared = laid(trial, built.environment)
        if prepared.refusal:
            return built.environment, prepared, Execution(0, "", "", 0.0)
        async with self.workspace.tree(instance.repo) as tree:
            return built.environment, prepared, await self.sandbox.run(job(trial, prepared, built, tree))
