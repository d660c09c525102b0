"""What the next attempt is told of the earlier ones: findings, without repeats, under a token budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.core.failure import Failure
from evalkit.core.feedback.attempts import since_fresh_start, tried
from evalkit.core.feedback.findings import chosen
from evalkit.core.feedback.settings import Feedback, shows_hidden_tests
from evalkit.core.types import Attempt

__all__ = ["Feedback", "Told", "shows_hidden_tests", "tell"]
CUT = " …"


@dataclass(frozen=True, slots=True)
class Told:
    """What is handed on, and the lines that the budget dropped.

    `stuck` is set where this attempt starts again from the problem, and then there are no findings.
    """

    findings: tuple[str, ...] = ()
    hint: str = ""
    tried: tuple[str, ...] = ()
    stuck: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, for templates that show one list."""
        return tuple(line for line in (self.stuck, *self.findings, self.hint, *self.tried) if line)


def tell(settings: Feedback, history: Sequence[Attempt], count_tokens: Callable[[str], int]) -> Told:
    """Choose what to hand on of `history`.

    The budget goes to the first finding, the hint and the words for a fresh start, whatever they take; then to what
    was tried, newest first; then to the other findings.
    """
    asked = [attempt for attempt in history if not attempt.skipped]
    if not asked or settings.kind == "none":
        return Told()
    failure = asked[-1].verdict.failure
    room = settings.tokens_after_empty if failure is Failure.EMPTY_RESPONSE else settings.tokens
    recent = since_fresh_start(settings, asked)
    stuck, hint = ("" if recent else settings.stuck.strip()), (settings.hints.get(str(failure)) or "").strip()
    findings, before = chosen(settings, recent), tried(settings, asked)
    room -= sum(count_tokens(words) for words in (stuck, hint) if words)
    first = findings[:1]  # goes even over the budget: silence would ask the same prompt again
    if first and settings.kind == "tests":
        first = [_cut(first[0], max(room, settings.tokens_after_empty), count_tokens)]
    room -= sum(map(count_tokens, first))
    kept, left = _fitting([*reversed(before), *findings[1:]], room, count_tokens)
    return Told(
        findings=(*first, *kept[len(before) :]),
        hint=hint,
        tried=tuple(reversed(kept[: len(before)])),
        stuck=stuck,
        dropped=tuple(left),
    )


def _fitting(lines: Sequence[str], room: int, count_tokens: Callable[[str], int]) -> tuple[list[str], list[str]]:
    """The lines up to the first that does not fit, and the rest."""
    for position, line in enumerate(lines):
        room -= count_tokens(line)
        if room < 0:
            return list(lines[:position]), list(lines[position:])
    return list(lines), []


def _cut(line: str, room: int, count_tokens: Callable[[str], int]) -> str:
    """Its longest beginning that fits; what is cut is marked."""
    if count_tokens(line) <= room:
        return line
    low, high = 1, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_tokens(line[:middle] + CUT) <= room else (low, middle - 1)
    return line[:low].rstrip() + CUT
