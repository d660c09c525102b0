"""What a rule finds, also where its kind needs the world: a sandbox, the instance's tests, a model as grader."""

from typing import Any

from evalkit.core import judge
from evalkit.core.judge import FailedExample
from evalkit.core.ports import World
from evalkit.core.rubric import Rule, Violation


def is_pure(check: Any) -> bool:
    """Whether the candidate's text alone decides."""
    parts = getattr(check, "parts", None)
    return all(map(is_pure, parts)) if parts is not None else not hasattr(check, "found")


async def violations(check: Any, candidate: str, world: World) -> list[Violation]:
    """All places that break the rule. Raises GraderError or SandboxError where that cannot be found out."""
    if is_pure(check):
        found: list[Violation] = check.violations(candidate)
        return found
    if (parts := getattr(check, "parts", None)) is not None:
        combined: list[Violation] = check.combined([await violations(part, candidate, world) for part in parts])
        return combined
    effect: list[Violation] = await check.found(candidate, world)
    return effect


async def failed_examples(rule: Rule, world: World) -> list[FailedExample]:
    """The rule's own examples that it gets wrong, whether or not its kind needs the world.

    Raises GraderError or SandboxError where that cannot be found out: no tests, no compiler, no grader.
    """
    texts = dict.fromkeys((*rule.accept, *rule.reject))
    return judge.failed_examples(rule, {text: await violations(rule.check, text, world) for text in texts})
