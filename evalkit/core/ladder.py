"""Where the next attempt goes: a pure function of the ladder and what has happened so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.core.failure import Failure

if TYPE_CHECKING:
    from evalkit.core.types import Attempt, Prompt


class Then(StrEnum):
    """What the ladder does after a failure of some class."""

    RETRY = "retry"  # the same rung, while it has attempts left
    ESCALATE = "escalate"  # the next rung at once
    SKIP = "skip"  # the same, and no climb of the run asks this rung any more
    STOP = "stop"  # the climb ends unsolved


DEFAULT_POLICY: dict[Failure, Then] = {
    Failure.CONTEXT_WINDOW: Then.ESCALATE,
    Failure.REFUSED: Then.ESCALATE,
    Failure.MODEL_UNAVAILABLE: Then.SKIP,
}


@dataclass
class Price:
    """US dollars a million tokens; `prompt_cached` those that come from the provider's cache (None: as the others)."""

    prompt: float = 0.0
    completion: float = 0.0
    prompt_cached: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be. Raises ValueError."""
        for name, dollars in (("prompt", self.prompt), ("completion", self.completion)):
            if not 0 <= dollars < inf:
                raise ValueError(
                    f"the price of {name}s is {dollars!r}; it must be US dollars a million tokens, at least 0"
                )


@dataclass
class Rung:
    """One model with its own attempts and settings.

    `model` is any litellm model name, or `local/NAME`, `scripted/FILE`, `replay/FILE`. `context_tokens` is the
    model's context (prompt plus answer); `params` are free litellm parameters; `on` says by failure class what
    comes next (`retry`, `escalate`, `skip`, `stop`), on top of the ladder's own `on`.
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
class Step:
    """Where an attempt is made. `number` counts over the climb from 1, `on_rung` on its rung from 1."""

    rung: str
    number: int
    on_rung: int
    settings: Rung


@dataclass(frozen=True, slots=True)
class Try(Step):
    """Ask this next."""

    prompt: "Prompt"


@dataclass(frozen=True, slots=True)
class Stop:
    """The climb ends; `reason` is accepted, max_attempts, ladder_exhausted, policy or no_model."""

    reason: str


def next_step(
    ladder: Ladder,
    max_attempts: int,
    history: "Sequence[Attempt]",
    ask: "Callable[[Step], Prompt]",
) -> Try | Stop:
    """Decide what comes next from what happened; deterministic, so that a resumed climb decides alike.

    `ask` words the prompt of a step (pure too): it is needed here because a prompt that the same model was
    asked already, at temperature 0, is not asked again; the ladder escalates instead (invariant 6).
    """
    if history and history[-1].verdict.accepted:
        return Stop("accepted")
    made = sum(not attempt.skipped for attempt in history)
    if made >= max_attempts:
        return Stop("max_attempts")
    if history and then(ladder, history[-1].rung, history[-1].verdict.failure) is Then.STOP:
        return Stop("policy")
    for name in _rungs_from(ladder, history):
        rung = ladder.rungs[name]
        on_rung = 1 + sum(attempt.rung == name for attempt in history)
        step = Step(name, len(history) + 1, on_rung, rung)
        prompt = ask(step)
        if not _asked_before(ladder, rung, prompt, history):
            return Try(name, step.number, on_rung, rung, prompt)
    return Stop("ladder_exhausted" if made else "no_model")


def policy(on: dict[str, str]) -> dict[Failure, Then]:
    """Read a policy as settings word it. Raises ValueError that names the nearest valid word.

    Outages have no policy: they leave the instance unfinished, whatever the ladder (invariant 1).
    """
    read = {_word(Failure, key, "failure class"): _word(Then, value, "policy") for key, value in on.items()}
    for failure in read:
        if failure.is_outage:
            raise ValueError(f"{str(failure)!r} is an outage, which leaves an instance unfinished; it has no policy")
        if failure is Failure.RUNG_SKIPPED:
            raise ValueError(f"{str(failure)!r} is what the policy `skip` does; it has no policy of its own")
    return read


def then(ladder: Ladder, rung: str, failure: Failure | None) -> Then:
    """What the policy says after a failure of that class on that rung."""
    if failure is None:
        return Then.RETRY
    if failure is Failure.RUNG_SKIPPED:  # the rung was not asked: the climb just goes on
        return Then.ESCALATE
    return {**DEFAULT_POLICY, **policy(ladder.on), **policy(ladder.rungs[rung].on)}.get(failure, Then.RETRY)


def _rungs_from(ladder: Ladder, history: "Sequence[Attempt]") -> list[str]:
    """The rungs that may be asked, nearest first."""
    names = list(ladder.rungs)
    if not history:
        return names
    last = history[-1]
    here = names.index(last.rung)
    used = sum(attempt.rung == last.rung for attempt in history)
    stay = then(ladder, last.rung, last.verdict.failure) is Then.RETRY and used < ladder.rungs[last.rung].attempts
    return names[here if stay else here + 1 :]


def _asked_before(ladder: Ladder, rung: Rung, prompt: "Prompt", history: "Sequence[Attempt]") -> bool:
    """Whether this model, set alike, answered this prompt already and would, greedily, give the same answer."""
    if rung.temperature > 0:
        return False
    asked = (ladder.rungs[attempt.rung] for attempt in history if attempt.prompt.digest == prompt.digest)
    return any(asks_alike(rung, other) for other in asked)


def asks_alike(one: Rung, other: Rung) -> bool:
    """Whether two rungs ask the same model in the same way, whatever their attempts, price and policy."""
    settings = ("model", "api_base", "temperature", "max_tokens", "context_tokens", "params")
    return all(getattr(one, name) == getattr(other, name) for name in settings)


def _at_least(key: str, value: float, least: float) -> None:
    if not value >= least:  # nor is nan
        raise ValueError(f"{key} is {value!r}; it must be at least {least}")


W = TypeVar("W", bound=StrEnum)


def _word(words: type[W], value: str, what: str) -> W:
    try:
        return words(value)
    except ValueError:
        known = [str(word) for word in words]
        near = get_close_matches(value, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
        raise ValueError(f"{value!r} is no {what}; {hint}") from None
