"""What a run would take before it is made: bounds from its config, and expectations from earlier attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any, TypeVar

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Price, Rung, Then, then
from evalkit.core.results import AttemptRow
from evalkit.core.stats import Interval

RUNS = 400  # that are simulated
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """Prompts in tokens: of each instance's first one, and what a later one may hold more (feedback, last answer)."""

    first: tuple[int, ...]
    retold: int = 0

    @property
    def mean(self) -> float:
        """Of the first prompts."""
        return sum(self.first) / len(self.first)


@dataclass(frozen=True, slots=True)
class Range:
    """At least, expected with its 95th percentile, at most. None is unknown, never zero."""

    least: float | None
    expected: float | None
    p95: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """US dollars: the median and the 95th percentile of simulated runs, and the most. None is unknown."""

    p50: float | None
    p95: float | None
    worst: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """One run. `solved_rate` is the simulated runs' mean with their middle 95 %; seconds are of the clock."""

    climbs: int
    calls: Range
    tokens_prompt: Range
    tokens_completion: Range
    cost_usd: Costs
    seconds: Range
    solved_rate: Interval | None


@dataclass(frozen=True, slots=True)
class Past:
    """Earlier attempts of one rung's model. `alike`: prompts of the same making about these instances, as long too."""

    rows: tuple[AttemptRow, ...] = ()
    alike: bool = False


def effective_attempts(rung: Rung, *, told: bool) -> int:
    """How often a climb can ask a rung: at temperature 0 once, where prompts tell nothing of earlier attempts."""
    return rung.attempts if told or rung.temperature > 0 else 1


def most_calls(ladder: Ladder, max_attempts: int, *, told: bool) -> int:
    """Of one climb."""
    return min(max_attempts, sum(effective_attempts(rung, told=told) for rung in ladder.rungs.values()))


@dataclass(frozen=True, slots=True)
class Work:
    """So many climbs of a ladder. `told`: prompts tell of earlier attempts; prices are by rung, None where unknown.

    `concurrency` climbs are expected to go at once, and `surely` that many even where a provider takes no more.
    """

    ladder: Ladder
    max_attempts: int
    climbs: int
    sizes: Sizes
    told: bool
    prices: Mapping[str, Price | None]
    concurrency: float = 1.0
    surely: int = 1

    def attempts(self, name: str) -> int:
        """How often a climb can ask a rung."""
        return effective_attempts(self.ladder.rungs[name], told=self.told)


def forecast(work: Work, past: Mapping[str, Past], seed: int = 0) -> Forecast:
    """What it takes. Expectations are None where no rung has earlier attempts.

    A rung without any among others that have counts as one that never solves and always answers at full length; how
    long it takes is unknown, and so the expected time.
    """
    climbs, rungs = work.climbs, work.ladder.rungs
    dearest = _dearest(work)
    at_once = max(1.0, min(work.concurrency, climbs))
    most = climbs * most_calls(work.ladder, work.max_attempts, told=work.told)
    slowest = max((rung.timeout_s for rung in rungs.values()), default=0.0)
    found = _simulated(work, past, seed)
    asked = sum(work.sizes.first) * climbs / len(work.sizes.first)
    timed = found is not None and all(past[name].rows for name in rungs)
    return Forecast(
        climbs,
        calls=_range(found, "calls", climbs, most),
        tokens_prompt=_range(found, "prompt", asked, climbs * dearest["prompt"]),
        tokens_completion=_range(found, "completion", 0, climbs * dearest["completion"]),
        cost_usd=_costs(found, work.prices, None if dearest["cost"] is None else climbs * dearest["cost"]),
        seconds=_range(
            {"seconds": found["seconds"] / at_once} if found and timed else None,
            "seconds",
            None,
            ceil(most / max(1, min(work.surely, climbs))) * slowest,
        ),
        solved_rate=_rate(found, climbs),
    )


def total(forecasts: Sequence[Forecast]) -> Forecast:
    """Several runs one after the other. Percentiles add up to a little more than the sum's."""
    whole, *others = forecasts
    for one in others:
        whole = Forecast(
            climbs=whole.climbs + one.climbs,
            calls=_added(whole.calls, one.calls),
            tokens_prompt=_added(whole.tokens_prompt, one.tokens_prompt),
            tokens_completion=_added(whole.tokens_completion, one.tokens_completion),
            cost_usd=_added(whole.cost_usd, one.cost_usd),
            seconds=_added(whole.seconds, one.seconds),
            solved_rate=None,
        )
    return whole


R = TypeVar("R", Range, Costs)


def _added(one: R, other: R) -> R:
    parts = {}
    for name in (field.name for field in fields(one)):
        a, b = getattr(one, name), getattr(other, name)
        parts[name] = None if a is None or b is None else a + b
    return replace(one, **parts)


def _dearest(work: Work) -> dict[str, Any]:
    """The most that a climb can take of tokens and money, by whichever attempts the cap leaves: the prompts' mean."""
    each = [_dearest_of(work, first) for first in work.sizes.first]
    sums: dict[str, Any] = {}
    for what in ("prompt", "completion", "cost"):
        found = [one[what] for one in each]
        sums[what] = None if None in found else sum(found) / len(found)
    return sums


def _dearest_of(work: Work, first: int) -> dict[str, Any]:
    """The same of a climb whose first prompt has so many tokens."""
    longest = first + work.sizes.retold
    prompts: list[float] = []
    completions: list[float] = []
    costs: list[float | None] = []
    for name, rung in work.ladder.rungs.items():
        room = longest if rung.context_tokens is None else max(1, rung.context_tokens - rung.max_tokens)
        prompt, times = min(longest, room), work.attempts(name)
        prompts += [prompt] * times
        completions += [rung.max_tokens] * times
        costs += [_price(work.prices[name], prompt, rung.max_tokens)] * times
    return {
        "prompt": _largest(prompts, work.max_attempts),
        "completion": _largest(completions, work.max_attempts),
        "cost": None if None in costs else _largest([one for one in costs if one is not None], work.max_attempts),
    }


def _largest(values: Sequence[float], count: int) -> float:
    return sum(sorted(values, reverse=True)[:count])


def _price(price: Price | None, prompt: float, completion: float) -> float | None:
    return None if price is None else (prompt * price.prompt + completion * price.completion) / MILLION


def _range(found: Mapping[str, Any] | None, name: str, least: float | None, most: float | None) -> Range:
    if not found:
        return Range(least, None, None, most)
    import numpy as np  # noqa: PLC0415  as below

    values = found[name]
    p95 = float(np.quantile(values, 0.95))
    return Range(least, float(values.mean()), p95, most if most is None else max(most, p95))


def _costs(found: Mapping[str, Any] | None, prices: Mapping[str, Price | None], worst: float | None) -> Costs:
    if worst == 0:
        return Costs(0.0, 0.0, worst)
    if not found or None in prices.values():
        return Costs(None, None, worst)
    import numpy as np  # noqa: PLC0415  as below

    p50, p95 = (float(one) for one in np.quantile(found["cost"], (0.5, 0.95)))
    return Costs(p50, p95, None if worst is None else max(worst, p95))


def _rate(found: Mapping[str, Any] | None, climbs: int) -> Interval | None:
    if not found or not climbs:
        return None
    import numpy as np  # noqa: PLC0415  as below

    low, high = (float(one) / climbs for one in np.quantile(found["solved"], (0.025, 0.975)))
    return Interval(float(found["solved"].mean()) / climbs, low, high)


def _simulated(work: Work, past: Mapping[str, Past], seed: int) -> dict[str, Any] | None:
    """Sums of simulated runs, by what is summed.

    Each run draws earlier attempts anew with repetition (a bootstrap), and each of its climbs draws from those, so
    that few earlier attempts make a wide range.
    """
    if not any(past[name].rows for name in work.ladder.rungs):
        return None
    import numpy as np  # noqa: PLC0415  planning alone needs it

    random = np.random.default_rng(seed)
    pools = {name: _pools(work, name, past[name]) for name in work.ladder.rungs}
    sums = [_run(work, pools, random) for _ in range(RUNS)]
    return {name: np.array([one[name] for one in sums]) for name in sums[0]}


def _run(work: Work, pools: Mapping[str, list[Any]], random: Any) -> dict[str, float]:
    import numpy as np  # noqa: PLC0415  as above

    alive, made = np.ones(work.climbs, bool), np.zeros(work.climbs, int)
    sums = dict.fromkeys(("calls", "solved", "prompt", "completion", "cost", "seconds"), 0.0)
    for name in work.ladder.rungs:
        here, fresh = alive.copy(), {}
        for pool in pools[name]:
            if id(pool) not in fresh:  # attempts after the first share theirs
                fresh[id(pool)] = pool[random.integers(len(pool), size=len(pool))]
            asked = here & alive & (made < work.max_attempts)
            drawn = fresh[id(pool)][random.integers(len(pool), size=int(asked.sum()))]
            at = np.flatnonzero(asked)
            made[at] += 1
            sums["calls"] += len(at)
            for column, what in enumerate(("prompt", "completion", "cost", "seconds")):
                sums[what] += float(drawn[:, column].sum())
            sums["solved"] += float(drawn[:, 4].sum())
            alive[at[(drawn[:, 4] > 0) | (drawn[:, 6] > 0)]] = False
            here[at] = drawn[:, 5] > 0
    return sums


def _pools(work: Work, name: str, past: Past) -> list[Any]:
    """For each attempt on a rung what to draw from: columns prompt, completion, cost, seconds, solved, stay, stop."""
    import numpy as np  # noqa: PLC0415  as above

    attempts = work.attempts(name)
    if not past.rows:
        prompt, completion = work.sizes.mean + work.sizes.retold, work.ladder.rungs[name].max_tokens
        cost = _price(work.prices[name], prompt, completion) or 0.0
        never = np.array([[prompt, completion, cost, 0.0, 0, 1, 0]])
        return [never] * attempts
    first = [row for row in past.rows if row.on_rung == 1] or list(past.rows)
    later = [row for row in past.rows if row.on_rung > 1] or first
    early, late = (np.array([_drawn(work, name, row, alike=past.alike) for row in rows]) for rows in (first, later))
    return [early, *[late] * (attempts - 1)]


def _drawn(work: Work, name: str, row: AttemptRow, *, alike: bool) -> list[float]:
    prompt = row.tokens_prompt if alike and row.tokens_prompt is not None else work.sizes.mean
    completion = work.ladder.rungs[name].max_tokens if row.tokens_completion is None else row.tokens_completion
    cost = _price(work.prices[name], prompt, completion)
    after = then(work.ladder, name, None if row.failure is None else Failure(row.failure))
    stay, stop = after is Then.RETRY, after is Then.STOP
    return [prompt, completion, cost or 0.0, row.seconds, row.accepted, stay, stop and not row.accepted]
