"""Two runs on the same instances, one epoch each: uplift, exact test and conclusion."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import copysign, inf, sqrt

from evalkit.core.stats.rates import Interval, Z

ALMOST_1 = 1 - 1e-9
FEWEST_DISCORDANT = 6  # with 5, even 5 to 0 gives p = 0.0625: no result could be significant at 0.05


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
    uplift, p_value = difference(len(only_a), len(only_b), len(shared)), exact_mcnemar(len(only_a), len(only_b))
    neither = len(shared) - both - len(only_a) - len(only_b)
    conclusion = conclusion_of(len(only_a), len(only_b), p_value)
    return Paired(len(shared), both, only_a, only_b, neither, uplift, p_value, conclusion)


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p: a binomial test of the discordant pairs."""
    from scipy.stats import binomtest  # noqa: PLC0415  scipy costs 0.5 s, and most commands need none

    return float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0


def difference(only_a: float, only_b: float, instances: float, *, z: float = Z) -> Interval:
    """Score interval, 95 %, of a paired difference of rates, B minus A (Tango 1998, Statistics in Medicine 17:891).

    All differences that a score test at 5 % does not reject, so also with no or one-sided discordant pairs it is
    as wide as it should be. scipy and statsmodels have none for pairs; a test holds it to its coverage. `z` is the
    quantile, where it is not the normal one.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  as above

    found = (only_b - only_a) / instances

    def score(true: float) -> float:
        return _score(only_a, only_b, instances, true)

    low = -1.0 if score(-ALMOST_1) < z else float(brentq(lambda true: score(true) - z, -ALMOST_1, found))
    high = 1.0 if score(ALMOST_1) > -z else float(brentq(lambda true: score(true) + z, found, ALMOST_1))
    return Interval(found, min(low, found), max(high, found))


def _score(only_a: float, only_b: float, instances: float, true: float) -> float:
    """How many standard errors the difference seen lies above `true`, with the nuisance rate estimated under it."""
    square, rest = 2 * instances, (2 * instances - only_b + only_a) * true - only_b - only_a
    only_a_rate = (sqrt(max(0.0, rest**2 + 4 * square * only_a * true * (1 - true))) - rest) / (2 * square)
    variance = instances * (2 * only_a_rate + true * (1 - true))
    above = only_b - only_a - instances * true
    return above / sqrt(variance) if variance > 0 else copysign(inf, above) if above else 0.0


def conclusion_of(only_a: int, only_b: int, p_value: float) -> str:
    """What may be said, where so many instances (or clusters) favour A and so many B."""
    if only_a + only_b < FEWEST_DISCORDANT:
        return "cannot_show"
    if p_value >= 0.05:  # noqa: PLR2004  the level of the intervals, too
        return "no_difference_shown"
    return "better" if only_b > only_a else "worse"
