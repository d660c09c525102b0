"""Where the next attempt goes: a pure function of the ladder and what has happened so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from evalkit.core.failure import Failure

if TYPE_CHECKING:
    from evalkit.core.types import Attempt, Prompt


class Then(StrEnum):
    """What the ladder does after a failure of some class."""

    RETRY = "retry"  # the same rung, while it has attempts left
    ESCALATE = "escalate"  # the next rung at once
    STOP = "stop"  # the climb ends unsolved


DEFAULT_POLICY: dict[Failure, Then] = {
    Failure.CONTEXT_WINDOW: Then.ESCALATE,
    Failure.REFUSED: Then.ESCALATE,
    Failure.MODEL_UNAVAILABLE: Then.ESCALATE,
}


@dataclass
class Price:
    """US dollars a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0


@dataclass
class Rung:
    """One model with its own attempts and settings.

    `model` is any litellm model name, or `local/NAME`, `scripted/FILE`, `replay/FILE`. `context_tokens` is the
    model's context (prompt plus answer); `params` are free litellm parameters; `on` says by failure class what
    comes next (`retry`, `escalate`, `stop`), on top of the ladder's own `on`.
    """

    model: str
    attempts: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    timeout_s: float = 120.0
    context_tokens: int | None = None
    api_base: str | None = None
    price: Price | None = None
    params: dict[str, Any] = field(default_factory=dict)
    on: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        _at_least("attempts", self.attempts, 1)
        _at_least("temperature", self.temperature, 0)
        _at_least("max_tokens", self.max_tokens, 1)
        _at_least("timeout_s", self.timeout_s, 0.001)
        policy(self.on)


@dataclass
class Ladder:
    """Rungs by name in climbing order; `on` is the policy by failure class for all of them."""

    rungs: dict[str, Rung]
    name: str = ""
    on: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if not self.rungs:
            raise ValueError("a ladder needs at least one rung: rungs: {small: {model: …}}")
        policy(self.on)


@dataclass(frozen=True, slots=True)
class Try:
    """Ask this rung next. `number` counts over the climb from 1, `on_rung` on the rung."""

    rung: str
    number: int
    on_rung: int
    settings: Rung
    prompt: "Prompt | None" = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The climb ends; `reason` is accepted, max_attempts, ladder_exhausted, policy or no_model."""

    reason: str
