"""Hard caps on what a run, a climb or a sweep may spend: what is reserved before a call, and what a call then took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from evalkit.core.ladder import Price
from evalkit.core.types import Completion, Grading

MILLION = 1_000_000
MARGIN = 1.3  # vendors' own tokenizers count up to so many times what cl100k counts (docs/limits.md)
LATER_MARGIN = 1.05  # on top of the most that a rung has shown
PER_MESSAGE = 16  # tokens of a chat template around each message
ROUNDING = 1e-9  # relative: sums of floats are not exact


@dataclass
class Caps:
    """The most that may be spent: US dollars, tokens (prompts and answers), calls (answers asked for), seconds."""

    cost_usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be. Raises ValueError."""
        for one in fields(Caps):
            value = getattr(self, one.name)
            if value is not None and not value >= 0:
                raise ValueError(f"{one.name} is {value!r}; it must be at least 0, or null for no cap")

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, one.name) is not None for one in fields(Caps))

    @property
    def counts_tokens(self) -> bool:
        """Whether a call must be estimated in tokens."""
        return self.cost_usd is not None or self.tokens is not None


@dataclass(frozen=True, slots=True)
class Amount:
    """What was spent, or may be. `seconds` is time that passed; nobody reserves any."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(
            self.cost_usd + other.cost_usd,
            self.tokens + other.tokens,
            self.calls + other.calls,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A cap that the next call could break: its full name, its value, what is spent and what the call may take."""

    name: str
    cap: float
    spent: float
    wanted: float

    def __str__(self) -> str:
        """What was hit, and which override raises it."""
        what = self.name.rpartition(".")[2]
        over = "is reached" if self.spent >= self.cap else "leaves no room for the next call"
        may = f", which may take {said(what, self.wanted)}" if self.spent < self.cap else ""
        more = 2 * max(self.cap, self.spent, self.wanted)
        told = f"{self.name}={said_plain(what, self.cap)} {over}{may}; {said(what, self.spent)} spent so far"
        return f"{told}. {self.name}={said_plain(what, math.ceil(more) if what != 'cost_usd' else more)} raises it"


class Budget:
    """What is spent under some caps, and what calls in flight may still take.

    Calls are let in one by one, and none that could break a cap if all in flight took what is reserved for them: so
    as long as no call takes more than its reservation, no cap is broken, whatever goes at once.
    """

    def __init__(self, caps: Caps, name: str, spent: Amount = Amount()) -> None:
        self.caps, self.name, self.spent = caps, name, spent
        self._held: list[Amount] = []

    @property
    def held(self) -> Amount:
        """What is reserved."""
        return sum(self._held, Amount())

    def hit(self, wanted: Amount) -> Hit | None:
        """The cap under which such a call can never be made, since what is spent only grows."""
        return self._broken(self.spent, wanted)

    def fits(self, wanted: Amount) -> bool:
        """Whether it can be made now, beside those in flight."""
        return self._broken(self.spent + self.held, wanted) is None

    def reserve(self, wanted: Amount) -> None:
        """Let a call in."""
        self._held.append(wanted)

    def settle(self, wanted: Amount, took: Amount) -> None:
        """A call has ended: what it took is spent, and what was reserved for it is free."""
        self._held.remove(wanted)
        self.spent += took

    def _broken(self, so_far: Amount, wanted: Amount) -> Hit | None:
        for one in fields(Caps):
            cap, more = getattr(self.caps, one.name), getattr(wanted, one.name)
            have = getattr(so_far, one.name)
            if cap is None:
                continue
            over = have >= cap if one.name == "seconds" else have + more > cap * (1 + ROUNDING)
            if over:
                return Hit(f"{self.name}.{one.name}", cap, getattr(self.spent, one.name), more)
        return None


@dataclass
class Reckoner:
    """An upper estimate of what a rung's next call takes: tokens of its prompt, all that it may answer, their price.

    `price` is None where no cap is in money. Before a rung's first answer nothing is known of its tokenizer; then
    the largest ratio seen of its own count to ours is what counts, with a margin of 5 %.
    """

    max_tokens: int
    price: Price | None = None
    ratio: float | None = field(default=None, init=False)

    def proven(self, texts: Sequence[str]) -> Amount:
        """What it cannot exceed, whatever the tokenizer: no token is shorter than a byte."""
        return self._amount(sum(len(text.encode("utf-8", "replace")) + PER_MESSAGE for text in texts))

    def likely(self, counted: int, messages: int) -> Amount:
        """What it should not exceed; `counted` are the prompt's tokens by our counter."""
        base = counted + PER_MESSAGE * messages
        return self._amount(math.ceil(base * (MARGIN if self.ratio is None else self.ratio * LATER_MARGIN)))

    def learn(self, counted: int, messages: int, told: int) -> None:
        """Note how many tokens the provider says that a prompt had."""
        self.ratio = max(self.ratio or 0.0, told / (counted + PER_MESSAGE * messages))

    def _amount(self, prompt: int) -> Amount:
        price = self.price or Price()
        cost = (prompt * price.prompt + self.max_tokens * price.completion) / MILLION
        return Amount(cost, prompt + self.max_tokens, 1)


def took(paid: Completion | Grading, wanted: Amount | None = None) -> Amount:
    """What a completion or a grader took; what the provider did not tell counts as `wanted`, a request at a time.

    A cost is unknown too where a request before the answer timed out, for it may have been billed.
    """
    if not paid.requests or (isinstance(paid, Completion) and paid.cached):  # not paid again
        return Amount()
    wanted = wanted or Amount()
    told = paid.tokens_prompt is not None and paid.tokens_completion is not None
    tokens = (paid.tokens_prompt or 0) + (paid.tokens_completion or 0) if told else wanted.tokens * paid.requests
    cost = wanted.cost_usd * paid.requests if paid.cost_usd is None else paid.cost_usd
    calls = 1 if isinstance(paid, Completion) else paid.requests  # of a grading, only its requests are on record
    return Amount(cost, tokens, calls)


def said(what: str, value: float) -> str:
    """An amount for a person."""
    if what == "cost_usd":
        return f"${value:.6g}"
    return f"{value:,.1f} s" if what == "seconds" else f"{value:,.0f} {what if value != 1 else what.rstrip('s')}"


def said_plain(what: str, value: float) -> str:
    """An amount as an override writes it."""
    return f"{value:.6g}" if what in ("cost_usd", "seconds") else f"{value:.0f}"
