"""Rates with intervals and paired differences; scipy does the mathematics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import copysign, fsum, inf, sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
ALMOST_1 = 1 - 1e-9
FEWEST_DISCORDANT = 6  # with 5, even 5 to 0 gives p = 0.0625: no result could be significant at 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """The same instances under A and B. `uplift` is B minus A in solved rate, `p_value` exact McNemar, two-sided.

    `conclusion` is better, worse, no_difference_shown, or cannot_show (too few instances differ for any test).
    """

    instances: int
    both: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    neither: int
    uplift: Interval
    p_value: float
    conclusion: str


def solved_rate(climbs: Iterable[tuple[str, bool]]) -> Interval | None:
    """The rate over judged climbs, each an instance's id and whether it was solved; None without any.

    Repeats of an instance (epochs) are no instances of their own: each instance counts once, by its share of solved
    climbs. Where an instance's repeats differ, the interval is wider than need be, never narrower.
    """
    shares: dict[str, list[bool]] = {}
    for name, solved in climbs:
        shares.setdefault(name, []).append(solved)
    return wilson(fsum(sum(each) / len(each) for each in shares.values()), len(shares))


def wilson(successes: float, trials: int) -> Interval | None:
    """Wilson score interval, 95 % (Wilson 1927, JASA 22:209, equation 8), of a rate; None without trials.

    Written out, because each run ends with it and importing scipy.stats for it costs half a second; a test
    holds it to scipy's.
    """
    if trials == 0:
        return None
    rate = successes / trials
    middle = (rate + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    half = Z * sqrt(rate * (1 - rate) / trials + Z**2 / (4 * trials**2)) / (1 + Z**2 / trials)
    return Interval(rate, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)))


def paired(a: Mapping[str, bool], b: Mapping[str, bool]) -> Paired:
    """Compare two runs on the instances that both judged. Raises ValueError where they share none.

    Exact McNemar test: a binomial test of the discordant pairs (McNemar 1947, Psychometrika 12:153). The uplift's
    interval is a score interval (`difference`).
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise ValueError("the runs share no judged instance, so there is nothing to pair")
    only_a = tuple(one for one in shared if a[one] and not b[one])
    only_b = tuple(one for one in shared if b[one] and not a[one])
    both = sum(a[one] and b[one] for one in shared)
    uplift, p_value = _uplift(len(only_a), len(only_b), len(shared))
    neither = len(shared) - both - len(only_a) - len(only_b)
    conclusion = _conclusion(len(only_a), len(only_b), p_value)
    return Paired(len(shared), both, only_a, only_b, neither, uplift, p_value, conclusion)


def _uplift(only_a: int, only_b: int, instances: int) -> tuple[Interval, float]:
    from scipy.stats import binomtest  # noqa: PLC0415  scipy costs 0.5 s, and most commands need none

    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return difference(only_a, only_b, instances), p_value


def difference(only_a: int, only_b: int, instances: int) -> Interval:
    """Score interval, 95 %, of a paired difference of rates, B minus A (Tango 1998, Statistics in Medicine 17:891).

    All differences that a score test at 5 % does not reject, so also with no or one-sided discordant pairs it is
    as wide as it should be. scipy and statsmodels have none for pairs; a test holds it to its coverage.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  as above

    found = (only_b - only_a) / instances

    def score(true: float) -> float:
        return _score(only_a, only_b, instances, true)

    low = -1.0 if score(-ALMOST_1) < Z else float(brentq(lambda true: score(true) - Z, -ALMOST_1, found))
    high = 1.0 if score(ALMOST_1) > -Z else float(brentq(lambda true: score(true) + Z, found, ALMOST_1))
    return Interval(found, min(low, found), max(high, found))


def _score(only_a: int, only_b: int, instances: int, true: float) -> float:
    """How many standard errors the difference seen lies above `true`, with the nuisance rate estimated under it."""
    square, rest = 2 * instances, (2 * instances - only_b + only_a) * true - only_b - only_a
    only_a_rate = (sqrt(max(0.0, rest**2 + 4 * square * only_a * true * (1 - true))) - rest) / (2 * square)
    variance = instances * (2 * only_a_rate + true * (1 - true))
    above = only_b - only_a - instances * true
    return above / sqrt(variance) if variance > 0 else copysign(inf, above) if above else 0.0


def _conclusion(only_a: int, only_b: int, p_value: float) -> str:
    if only_a + only_b < FEWEST_DISCORDANT:
        return "cannot_show"
    if p_value >= 0.05:  # noqa: PLR2004  the level of the intervals, too
        return "no_difference_shown"
    return "better" if only_b > only_a else "worse"
