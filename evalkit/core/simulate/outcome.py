"""What a simulated ladder comes to: solved with its bounds and interval, cost with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from evalkit.core.ladder import Ladder
from evalkit.core.simulate.climb import Climb, Unknown, climbs
from evalkit.core.simulate.evidence import Evidence
from evalkit.core.stats import Interval, wilson

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One ladder, simulated. Cost, attempts and seconds are means a climb; cost in the unit of the evidence.

    `solved` of `climbs` is an expectation between `least` and `most`, which are what it would be if every attempt that
    is not recorded failed, or was accepted; all three agree where every climb is exact. `rate` is the share with Wilson
    intervals: from the lower end of the least's to the upper end of the most's. `cost` has a bootstrap's.
    """

    ladder: Ladder
    max_attempts: int
    climbs: int
    solved: float
    least: float
    most: float
    rate: Interval | None
    cost: Interval
    cost_bounds: tuple[float, float]
    attempts: float
    seconds: float
    exact: int
    unrecorded: float
    retold: float


def outcome(ladder: Ladder, max_attempts: int, evidence: Evidence, *, seed: int = 0) -> Outcome:
    """Simulate a ladder. Raises ValueError where no rung of it could be asked on any instance."""
    found = [one for one in climbs(ladder, max_attempts, evidence) if one.asked]
    if not found:
        raise ValueError("no rung of the ladder could be asked on any instance")
    exact = sum(one.exact for one in found)
    bounds = [found, found]
    if exact < len(found):
        bounds = [
            [one for one in climbs(ladder, max_attempts, evidence, unknown) if one.asked]
            for unknown in (Unknown.FAILS, Unknown.ACCEPTED)
        ]
    dear, cheap = (_mean([one.cost for one in each]) for each in bounds)
    least, most = (fsum(one.solved for one in each) for each in bounds)
    cost = _mean([one.cost for one in found])
    return Outcome(
        ladder,
        max_attempts,
        len(found),
        fsum(one.solved for one in found),
        least,
        most,
        _rate(found, *bounds),
        bootstrapped(found, seed),
        (min(cheap, cost), max(dear, cost)),
        _mean([one.attempts for one in found]),
        _mean([one.seconds for one in found]),
        exact,
        fsum(one.unrecorded for one in found),
        fsum(one.retold for one in found),
    )


def bootstrapped(found: Sequence[Climb], seed: int) -> Interval:
    """The mean cost of a climb, with a percentile bootstrap over instances (Efron 1979, Annals of Statistics 7:1).

    Repeats of an instance are drawn together.
    """
    import numpy as np  # noqa: PLC0415  simulating alone needs it

    by_instance: dict[str, list[float]] = {}
    for one in found:
        by_instance.setdefault(one.unit[0], []).append(one.cost)
    costs = np.array([_mean(each) for each in by_instance.values()])
    weights = np.random.default_rng(seed).multinomial(len(costs), np.full(len(costs), 1 / len(costs)), RESAMPLES)
    low, high = np.quantile(weights @ costs / len(costs), (0.025, 0.975))
    mean = float(costs.mean())
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))


def _rate(found: Sequence[Climb], fails: Sequence[Climb], accepted: Sequence[Climb]) -> Interval | None:
    rate, low, high = _wilson(found), _wilson(fails), _wilson(accepted)
    return rate and low and high and Interval(rate.value, low.low, high.high)


def _wilson(found: Sequence[Climb]) -> Interval | None:
    """As a run's: each instance counts once, by its share."""
    shares: dict[str, list[float]] = {}
    for one in found:
        shares.setdefault(one.unit[0], []).append(one.solved)
    return wilson(fsum(map(_mean, shares.values())), len(shares))


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
