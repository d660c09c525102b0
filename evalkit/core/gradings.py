"""What graders' answers come to: their votes, and what they took."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from evalkit.core.types import Completion, Grading


def graded(
    model: str, answers: Sequence[Completion], votes: Sequence[str], passing: float, *, abstained: bool
) -> Grading:
    """The votes of one grader with the cost of all its answers, also of those that could not be read."""
    return Grading(
        model,
        tuple(votes),
        passing,
        max(passing, 1 - passing),
        abstained,
        sum(one.requests for one in answers),
        _sum([one.tokens_prompt for one in answers]),
        _sum([one.tokens_completion for one in answers]),
        _sum([one.cost_usd for one in answers]),
    )


def lost(answers: Sequence[Completion]) -> tuple[Grading, ...]:
    """Answers of which no verdict came: no votes, only their cost, by model."""
    paid = sorted((one for one in answers if one.requests), key=lambda one: one.model)
    groups = [(model, list(some)) for model, some in groupby(paid, key=lambda one: one.model)]
    return tuple(graded(model, some, (), 0.0, abstained=True) for model, some in groups)


def _sum(parts: Sequence[Any]) -> Any:
    """Unknown as soon as one part is."""
    return None if None in parts else sum(parts)
