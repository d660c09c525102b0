"""A rate with its interval."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % bounds."""

    value: float
    low: float
    high: float


def solved_rate(climbs: Iterable[tuple[str, bool]]) -> Interval | None:
    """The rate over judged climbs, each an instance's id and whether it was solved; None without any.

    Repeats of an instance (epochs) are no instances of their own: each instance counts once, by its share of solved
    climbs. Where an instance's repeats differ, the interval is wider than need be, never narrower.
    """
    shares: dict[str, list[bool]] = {}
    for name, solved in climbs:
        shares.setdefault(name, []).append(solved)
    return wilson(fsum(sum(each) / len(each) for each in shares.values()), len(shares))


def wilson(successes: float, trials: float, *, z: float = Z) -> Interval | None:
    """Wilson score interval, 95 % (Wilson 1927, JASA 22:209, equation 8), of a rate; None without trials.

    Written out, because each run ends with it and importing scipy.stats for it costs half a second; a test
    holds it to scipy's. `z` is the quantile, where it is not the normal one.
    """
    if trials == 0:
        return None
    rate = successes / trials
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * sqrt(max(0.0, rate * (1 - rate) / trials + z**2 / (4 * trials**2))) / (1 + z**2 / trials)
    return Interval(rate, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)))
