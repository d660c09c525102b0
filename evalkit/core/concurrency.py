"""How many requests a provider gets at once: additive increase, multiplicative decrease (AIMD), from what it answers.

The rule of Chiu and Jain ("Analysis of the increase and decrease algorithms", Computer Networks and ISDN Systems 17,
1989), as TCP has it: one more a round while all goes well, a share of it as soon as something says "too many". Times
are seconds of any one clock, and come in as arguments.
"""

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from statistics import median

CUT = (
    0.5  # what is left, as in TCP; after a round of twice the pace it is also what Little's law says there is room for
)
SLOW = 2.0  # so many times the usual pace is too long
FEWEST = 5  # answers that say anything of a pace
QUICKER = 0.3  # of the way: so the usual pace follows a quicker round
DRIFT = 0.02  # over the level: a slower round is followed much more slowly than the level grows, or it would hide it
QUICKEST_S = 0.05  # below it this process's own time counts more than the provider's
START_TOKENS = 32  # an answer's fixed part, in tokens that could have been written meanwhile (0.5 s at 60 a second)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Requests at once: `start` with, never fewer than `least`, never more than `most`."""

    start: int = 8
    least: int = 1
    most: int = 100

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if not 1 <= self.least <= self.start <= self.most:
            raise ValueError(f"{self.least} (least), {self.start} (start) and {self.most} (most) must rise from 1")


class Slow(Enum):
    """Where a round lost its time: at the provider, in this process, or nowhere."""

    THERE = auto()
    HERE = auto()
    NOWHERE = auto()


def pace(seconds: float, tokens: int | None) -> float:
    """Seconds a token written, so that a long answer does not look like a slow provider."""
    return max(seconds, QUICKEST_S) / (START_TOKENS + (tokens or 0))


class Aimd:
    """The number of requests at once that one provider takes, as far as its answers have shown.

    A round is as many answers as may be under way. Until the first sign of too many, each round doubles the number,
    later it adds one; only rounds in which the number was really reached count. A refusal halves it, and so does a
    round at twice the usual pace; what was asked before the last cut says nothing of the level after it. A round that
    was slow for this process's own sake changes nothing: less would not be quicker, nor more.
    """

    def __init__(self, bounds: Bounds, *, doubling: bool = True) -> None:
        """Without `doubling`, there was a sign of too many before."""
        self._bounds = bounds
        self._level = float(bounds.start)
        self._doubling = doubling
        self._cut_at = -inf
        self._usual: dict[str, float] = {}  # by model
        self.cuts = 0
        self.highest = bounds.start  # that was used
        self._new_round()

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._level)

    def started(self, under_way: int) -> None:
        """A request began; `under_way` counts it."""
        if under_way >= self.limit:
            self._reached = True
            self.highest = max(self.highest, self.limit)

    def answered(self, now: float, began: float, model: str, pace: float, theirs: float | None = None) -> None:
        """An answer came to what was asked at `began`; `theirs` is the pace without this process's own time."""
        if began < self._cut_at:
            return
        self._answers += 1
        self._paces.setdefault(model, []).append((pace, pace if theirs is None else theirs))
        if self._answers < max(self.limit, FEWEST):
            return
        slow, reached = self._slow(), self._reached
        self._new_round()
        if reached and slow is not Slow.HERE:  # else another number would change nothing
            self._cut(now) if slow is Slow.THERE else self._grow()

    def refused(self, now: float, began: float) -> None:
        """What was asked at `began` was too much: a rate limit, or no answer in time."""
        if began >= self._cut_at:
            self._cut(now)

    def _grow(self) -> None:
        more = self._level * 2 if self._doubling else self._level + 1
        self._level = min(float(self._bounds.most), more)

    def _cut(self, now: float) -> None:
        self._level = max(float(self._bounds.least), self._level * CUT)
        self._doubling = False
        self._cut_at = now
        self.cuts += 1
        self._new_round()

    def _new_round(self) -> None:
        self._answers = 0
        self._reached = False
        self._paces: dict[str, list[tuple[float, float]]] = {}

    def _slow(self) -> "Slow":
        """Where most answers' models took twice as long as usual, if so; learns what is usual."""
        there = here = 0
        for model, paces in self._paces.items():
            if len(paces) < FEWEST:
                continue
            found, theirs = median(all_of for all_of, _ in paces), median(part for _, part in paces)
            usual = self._usual.setdefault(model, found)
            there += len(paces) if theirs > SLOW * usual else -len(paces)
            here += len(paces) if found > SLOW * usual else -len(paces)
            quicker = usual + QUICKER * (found - usual)
            self._usual[model] = quicker if found < usual else min(found, usual * (1 + DRIFT / self._level))
        return Slow.THERE if there > 0 else Slow.HERE if here > 0 else Slow.NOWHERE


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider's headers say is left, and in how many seconds it is all there again; None: not told."""

    requests: int | None = None
    requests_reset_s: float | None = None
    tokens: int | None = None
    tokens_reset_s: float | None = None


class Allowance:
    """When the next request may begin, by what the provider said: its waits, and what it says is left.

    A wait longer than `longest_s` is not taken: the request itself then hears what is wrong, and says so.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._left = inf
        self._refilled_at = -inf
        self._paused_until = -inf
        self._usual_tokens = 0.0

    def began(self) -> None:
        """A request began."""
        self._left -= 1

    def pause(self, now: float, seconds: float) -> None:
        """The provider asked for a wait."""
        if seconds <= self._longest_s:
            self._paused_until = max(self._paused_until, now + seconds)

    def used(self, tokens: int) -> None:
        """A request took so many tokens; what is left in tokens is counted in the requests that it allows."""
        self._usual_tokens += (tokens - self._usual_tokens) * (0.1 if self._usual_tokens else 1.0)

    def told(self, now: float, told: Told) -> None:
        """The headers of an answer."""
        left, reset = inf, 0.0
        if told.requests is not None and told.requests_reset_s is not None:
            left, reset = told.requests, told.requests_reset_s
        if told.tokens is not None and told.tokens_reset_s is not None and self._usual_tokens:
            worth = told.tokens // self._usual_tokens
            left, reset = min((left, reset), (worth, told.tokens_reset_s))
        if left < inf and reset <= self._longest_s:
            self._left, self._refilled_at = left, now + reset

    def opens_at(self, now: float) -> float:
        """When a request may begin: `now`, or later."""
        if now >= self._refilled_at:
            self._left = inf
        at = max(now, self._paused_until)
        return at if self._left > 0 else max(at, self._refilled_at)
