"""A verifier: the candidate is what the instance's metadata has as `answer`."""

from dataclasses import dataclass

from evalkit.core.failure import Failure
from evalkit.core.ports import Job, Sandbox
from evalkit.core.types import Candidate, Finding, Instance, Verdict


@dataclass
class Exact:
    """`ignore_case` is a setting; `sandbox` a port, filled in by its name (docs/plugins.md has the names)."""

    sandbox: Sandbox
    ignore_case: bool = False

    def covers(self, instance: Instance) -> str:
        """What an instance lacks to be judged; empty: nothing."""
        return "" if "answer" in instance.metadata else "no metadata.answer, which the verifier exact needs"

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict. What cannot be judged is a GraderError or SandboxError, never a verdict."""
        if candidate.failure is not None:
            return Verdict(accepted=False, failure=candidate.failure, rules_total=1)
        said = await self.sandbox.run(Job(("python", "-c", "print(input().strip())"), stdin=candidate.text + "\n"))
        wanted, given = str(instance.metadata["answer"]), said.stdout.strip()
        if given == wanted or (self.ignore_case and given.lower() == wanted.lower()):
            return Verdict(accepted=True, score=1.0, rules_passed=1, rules_total=1)
        finding = Finding("exact", f"Answer with nothing but the answer, not with {given[:40]!r}.")
        return Verdict(accepted=False, failure=Failure.RULE_VIOLATION, findings=(finding,), rules_total=1)
