"""What the next attempt is told of the earlier ones: findings, without repeats, under a token budget."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.core.failure import Failure
from evalkit.core.types import Attempt, Finding

KINDS = ("none", "violations", "last")


@dataclass
class Feedback:
    """How much of earlier attempts is handed on.

    `kind`: `none`; `violations`, all earlier findings, newest first; `last`, the newest attempt's only. `tokens`
    is the budget, `tokens_after_empty` the shortened one that follows an empty response (a large failure
    context was seen to make models return nothing). `tests: hidden` hands on the outcomes of tests that the
    prompt does not show, which marks the run (invariant 9); `tests: none` keeps them back.
    """

    kind: str = "last"
    tokens: int = 600
    tokens_after_empty: int = 150
    tests: str = "hidden"

    def __post_init__(self) -> None:
        """Refuse unknown words. Raises ValueError."""
        if self.kind not in KINDS:
            raise ValueError(f"feedback.kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if self.tests not in ("hidden", "none"):
            raise ValueError(f"feedback.tests is {self.tests!r}; it must be hidden or none")


@dataclass(frozen=True, slots=True)
class Told:
    """The lines to hand on, and the ones that the budget dropped."""

    lines: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def tell(settings: Feedback, history: Sequence[Attempt], count_tokens: Callable[[str], int]) -> Told:
    """Choose what to hand on of `history`. Required findings come before optional ones."""
    lines = list(dict.fromkeys(finding.message for finding in _findings(settings, history)))
    if not lines:
        return Told()
    asked = [attempt for attempt in history if not attempt.skipped]
    empty = asked[-1].verdict.failure is Failure.EMPTY_RESPONSE
    room = settings.tokens_after_empty if empty else settings.tokens
    kept: list[str] = []
    for position, line in enumerate(lines):
        room -= count_tokens(line)
        if room < 0 and kept:
            return Told(tuple(kept), tuple(lines[position:]))
        kept.append(line)  # the first line goes even over the budget: silence would ask the same prompt again
    return Told(tuple(kept))


def shows_hidden_tests(settings: Feedback, *, tested: bool) -> bool:
    """Whether a run with these settings hands outcomes of hidden tests to the model (invariant 9)."""
    return tested and settings.kind != "none" and settings.tests == "hidden"


def _findings(settings: Feedback, history: Sequence[Attempt]) -> Iterator[Finding]:
    if settings.kind == "none":
        return
    told = [attempt for attempt in history if not attempt.skipped]
    for attempt in reversed(told if settings.kind == "violations" else told[-1:]):
        findings = [finding for finding in attempt.verdict.findings if _may_tell(settings, finding)]
        yield from sorted(findings, key=lambda finding: not finding.required)


def _may_tell(settings: Feedback, finding: Finding) -> bool:
    return finding.source != "test" or settings.tests == "hidden"
