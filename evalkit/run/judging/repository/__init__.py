"""Tests of kind `repo`: the repository's own, on the candidate's files, by name. See docs/repositories.md."""

from dataclasses import dataclass

from evalkit.core.errors import GraderError
from evalkit.core.ports import Environments, Sandbox, Workspace
from evalkit.core.types import Instance, Verdict
from evalkit.run.judging.channel import Trial
from evalkit.run.judging.repository.judged import judge
from evalkit.run.judging.repository.laid import laid, to_parse
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

    async def verdict(self, trial: Trial) -> Verdict:
        """On one candidate, whose files are made. Raises SandboxError or GraderError (invariant 2)."""
        instance = trial.instance
        if instance.repo is None or self.workspace is None or self.environments is None:
            raise GraderError(f"{self.covers(instance)}.")
        built = await self.environments.built(instance.repo.environment)
        prepared = laid(trial, built.environment)
        if prepared.refusal:
            return prepared.refusal
        async with self.workspace.tree(instance.repo) as tree:
            made = job(trial, prepared, built, tree)
            done = await self.sandbox.run(made)
        return judge(trial, built.environment, prepared, done)
