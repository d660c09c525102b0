"""What a rule finds, also where its kind needs the world: a sandbox, the instance's tests, a model as grader."""

from collections.abc import Iterable
from typing import Any

from evalkit.core import judge
from evalkit.core.errors import GraderError, SandboxError
from evalkit.core.judge import FailedExample
from evalkit.core.ports import World
from evalkit.core.rubric import Rubric, Rule, Violation, leaves
from evalkit.core.rules.composite import AllOf, AnyOf
from evalkit.core.types import Instance


def is_pure(check: Any) -> bool:
    """Whether the candidate's text alone decides."""
    return stage(check) == 0


def stage(check: Any) -> int:
    """When it is its turn, the cheapest first: 0, the text alone; 1, the sandbox; 2, a grader."""
    return max((getattr(leaf, "stage", 1) for leaf in leaves(check) if hasattr(leaf, "found")), default=0)


def effects(rubrics: Iterable[Rubric]) -> list[Any]:
    """All checks that need the world."""
    checks = (leaf for rubric in rubrics for rule in rubric.rules for leaf in leaves(rule.check))
    return [check for check in checks if hasattr(check, "found")]


def missing(rubrics: Iterable[Rubric], instance: Instance) -> str:
    """What the instance lacks for these rubrics' rules; empty if nothing."""
    return next((why for check in effects(rubrics) if (why := _missing(check, instance))), "")


async def violations(check: Any, candidate: str, world: World) -> list[Violation]:
    """All places that break the rule. Raises an InfrastructureError where that cannot be found out."""
    if is_pure(check):
        found: list[Violation] = check.violations(candidate)
        return found
    if isinstance(check, AnyOf):
        return await _any(check, candidate, world)
    if isinstance(check, AllOf):
        return await _all(check, candidate, world)
    if (parts := getattr(check, "parts", None)) is not None:
        combined: list[Violation] = check.combined([await violations(part, candidate, world) for part in parts])
        return combined
    effect: list[Violation] = await check.found(candidate, world)
    return effect


async def held(rule: Rule, candidate: str, world: World) -> list[Violation]:
    """`violations` of a rule; an error of its own names it."""
    try:
        return await violations(rule.check, candidate, world)
    except (GraderError, SandboxError) as error:
        raise type(error)(f"rule {rule.id!r}: {error}") from error


async def failed_examples(rule: Rule, world: World) -> list[FailedExample]:
    """The rule's own examples that it gets wrong, whether or not its kind needs the world.

    Raises GraderError, SandboxError or ModelError where that cannot be found out: no tests, no compiler, no
    grader.
    """
    texts = dict.fromkeys((*rule.accept, *rule.reject))
    return judge.failed_examples(rule, {text: await held(rule, text, world) for text in texts})


async def _any(check: AnyOf, candidate: str, world: World) -> list[Violation]:
    """The cheapest part first; none is asked behind one that holds."""
    found: dict[int, list[Violation]] = {}
    for number, part in sorted(enumerate(check.parts), key=lambda numbered: stage(numbered[1])):
        found[number] = await violations(part, candidate, world)
        if not found[number]:
            return []
    return check.combined([found[number] for number in sorted(found)])


async def _all(check: AllOf, candidate: str, world: World) -> list[Violation]:
    """A stage at a time; once a part certainly does not hold, what costs more is not asked."""
    found: dict[int, list[Violation]] = {}
    for turn in sorted({stage(part) for part in check.parts}):
        if any(not place.unread for places in found.values() for place in places):
            break
        for number, part in enumerate(check.parts):
            if stage(part) == turn:
                found[number] = await violations(part, candidate, world)
    return check.combined([found.get(number, []) for number in range(len(check.parts))])


def _missing(check: Any, instance: Instance) -> str:
    said: str = check.missing(instance) if hasattr(check, "missing") else ""
    return said
