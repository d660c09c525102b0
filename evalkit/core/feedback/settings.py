"""How much of earlier attempts is handed on, as settings."""

from dataclasses import dataclass, field
from difflib import get_close_matches

from evalkit.core.failure import Failure

KINDS = ("none", "violations", "last", "tests")
TESTS = ("visible", "hidden", "none")


@dataclass
class Feedback:
    """How much of earlier attempts is handed on.

    `kind`: `none`; `violations`, all earlier findings, newest first; `last`, the newest attempt's only; `tests`, the
    newest attempt's with their place in the repository, each told once however many tests and attempts it is found
    in. `tokens` is the budget, `tokens_after_empty` the shortened one that follows an empty response (a large failure
    context was seen to make models return nothing). `tests: hidden` hands on the outcomes of tests that the prompt
    does not show, which marks the run (invariant 9); `visible` those only of tests that the repository has as they
    are; `none` keeps all back. `tried` earlier attempts get a line each: what they edited, and how they ended. `hints`
    are told after a failure of their class (null: none). Where the last `stuck_after` attempts of a rung (0: never)
    failed alike, the next starts again from the problem: without findings, but with the words `stuck`.
    """

    kind: str = "last"
    tokens: int = 600
    tokens_after_empty: int = 150
    tests: str = "hidden"
    tried: int = 0
    stuck_after: int = 0
    stuck: str = ""
    hints: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse unknown words. Raises ValueError."""
        if self.kind not in KINDS:
            raise ValueError(f"feedback.kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if self.tests not in TESTS:
            raise ValueError(f"feedback.tests is {self.tests!r}; it must be one of {', '.join(TESTS)}")
        for name in ("tokens", "tokens_after_empty", "tried", "stuck_after"):
            if getattr(self, name) < 0:
                raise ValueError(f"feedback.{name} is {getattr(self, name)!r}; it must be at least 0")
        if self.stuck_after and not self.stuck.strip():
            raise ValueError("feedback.stuck is empty; where stuck_after is set, it says how to begin again")
        for name in self.hints:
            _refuse_unknown(name)


def shows_hidden_tests(settings: Feedback, *, tested: bool) -> bool:
    """Whether a run with these settings hands outcomes of hidden tests to the model (invariant 9)."""
    return tested and settings.kind != "none" and settings.tests == "hidden"


def _refuse_unknown(name: str) -> None:
    known = [str(failure) for failure in Failure if not failure.is_outage]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
        raise ValueError(f"feedback.hints: {name!r} is no failure class that has hints; {hint}")
