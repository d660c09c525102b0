"""`tests`: the instance's own tests, as one rule among others.

They run once a candidate, however many rules and verifiers ask. What they show of hidden tests is marked as such
(`source`), so that feedback keeps it back, or marks the run, as it does for a tests verifier (invariant 9).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.ports import World
from evalkit.core.rubric import Violation
from evalkit.core.rules.where import excerpt
from evalkit.core.types import Instance


@dataclass(frozen=True)
class InstanceTests:
    """Every test of the instance passes."""

    stage: ClassVar[int] = 1
    source: ClassVar[str] = "test"
    SCHEMA: ClassVar[dict[str, Any]] = {"properties": {}}

    def missing(self, instance: Instance) -> str:
        """What the instance lacks for this rule."""
        return "" if instance.tests is not None else "has no tests, which its rubric's rule of kind 'tests' needs"

    async def found(self, candidate: str, world: World) -> list[Violation]:
        """What the tests said. Raises GraderError or SandboxError where they could not be run."""
        verdict = await world.test(candidate)
        if verdict.accepted:
            return []
        said = [Violation(one.message, one.line, excerpt(candidate, one.line)) for one in verdict.findings]
        return said or [Violation(f"the tests do not pass ({verdict.failure})")]
