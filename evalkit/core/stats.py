"""Rates with intervals and paired differences; scipy does the mathematics."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % bounds."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval | None:
    """Wilson score interval, 95 % (Wilson 1927, JASA 22:209), of a rate; None without trials."""
    if trials == 0:
        return None
    from scipy.stats import binomtest  # noqa: PLC0415  scipy costs 0.5 s, and most commands need none

    bounds = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high))
