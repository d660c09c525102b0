"""What a sample can show: the power of the exact McNemar test, the smallest uplift and the sample for a wanted one."""

from math import ceil, floor, inf, sqrt
from statistics import NormalDist
from typing import Any

FLIPPED_BY_CHANCE = 0.25  # unless measured: what differs where nothing is better, half of it either way
TEETH = 8  # an exact test's power is a saw over the sample: a sample is enough if so are the next few
FINE = 1e-4  # uplifts are found to a hundredth of a point


def power_of(pairs: int, uplift: float, *, discordant_share: float | None = None, alpha: float = 0.05) -> float:
    """The chance that `pairs` instances show a true `uplift` (a difference of rates): p of the exact test below alpha.

    Unconditional and exact: the number of discordant pairs is binomial, and so, given it, are those that favour the
    better (Duffy 1984, Biometrics 40:1005, section 3). `discordant_share` is the share of instances on which the two
    differ, at least the uplift; None takes an eighth of the rest to flip either way. Raises ValueError.
    """
    _check_pairs(pairs)
    _check_rates(uplift, discordant_share, alpha)
    return min(1.0, _powers([pairs], abs(uplift), _share(abs(uplift), discordant_share), alpha)[0])


def smallest_uplift(pairs: int, *, discordant_share: float | None = None, power: float = 0.8) -> float:
    """The smallest true uplift, 0 to 1, that `pairs` instances show with this power at p < 0.05; inf: none.

    Rounded up to a hundredth of a percentage point; never rises with more pairs. Raises ValueError.
    """
    _check_pairs(pairs)
    _check_power(power)
    most = 1.0 if discordant_share is None else discordant_share
    _check_rates(most, discordant_share, 0.05)
    low, high = 0, floor(most / FINE + 1e-9)
    if not _enough(pairs, high * FINE, discordant_share, power):
        return inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(pairs, middle * FINE, discordant_share, power) else (middle, high)
    return round(high * FINE, 4)


def sample_for(uplift: float, *, discordant_share: float | None = None, power: float = 0.8) -> int:
    """How many instances show a true `uplift` with this power at p < 0.05. Never rises with the uplift.

    Raises ValueError, also for an uplift of 0, which no sample shows.
    """
    _check_power(power)
    _check_rates(uplift, discordant_share, 0.05)
    if abs(uplift) < FINE:
        raise ValueError(f"uplift is {uplift}; no sample shows a difference that small: give one of {FINE} or more")
    uplift, share = abs(uplift), _share(abs(uplift), discordant_share)
    middle = round(share * (sum(map(NormalDist().inv_cdf, (0.975, power))) / uplift) ** 2)  # about right
    step = max(TEETH, middle // 8)
    low, high = max(0, middle - step), middle + step
    while low and _enough(low, uplift, discordant_share, power):
        low, high = max(0, low - step), low
    while not _enough(high, uplift, discordant_share, power):
        low, high = high, high + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, uplift, discordant_share, power) else (middle, high)
    return high


def _enough(pairs: int, uplift: float, discordant_share: float | None, power: float) -> bool:
    share = _share(uplift, discordant_share)
    return bool(min(_powers(range(pairs, pairs + TEETH), uplift, share, 0.05)) >= power)


def _share(uplift: float, given: float | None) -> float:
    return FLIPPED_BY_CHANCE + (1 - FLIPPED_BY_CHANCE) * uplift if given is None else given


def _powers(samples: Any, uplift: float, share: float, alpha: float) -> list[float]:
    """The power of each of `samples`, which lie close together."""
    import numpy as np  # noqa: PLC0415  as scipy: most commands need none
    from scipy.special import bdtr  # noqa: PLC0415  scipy.stats' own binomials take ten times as long
    from scipy.stats import binom  # noqa: PLC0415  scipy costs 0.5 s

    if share == 0:
        return [0.0 for _ in samples]
    reach = 8 * sqrt(max(samples) * share * (1 - share)) + 1  # beyond lies less than 1e-14
    discordant = np.arange(max(0, floor(min(samples) * share - reach)), ceil(max(samples) * share + reach) + 1)
    most_lost = binom.ppf(alpha / 2, discordant, 0.5)  # the first count whose tail reaches alpha / 2 ...
    most_lost -= bdtr(most_lost, discordant, 0.5) > alpha / 2  # ... or the last whose tail stays within
    lost = min(1.0, max(0.0, (1 - uplift / share) / 2))
    tails = bdtr(np.maximum(most_lost, 0), discordant, lost) + bdtr(np.maximum(most_lost, 0), discordant, 1 - lost)
    shown = np.where(most_lost < 0, 0.0, tails)
    return [float(binom.pmf(discordant, pairs, share) @ shown) for pairs in samples]


def _check_pairs(pairs: int) -> None:
    if isinstance(pairs, bool) or not isinstance(pairs, int) or pairs < 1:
        raise ValueError(f"pairs is {pairs!r}; it must be a whole number of instances, 1 or more")


def _check_power(power: float) -> None:
    if not 0.05 < power < 1:  # noqa: PLR2004  the level: with no uplift at all the test rejects that often
        raise ValueError(f"power is {power!r}; it must lie between 0.05, the test's level, and 1, e.g. 0.8")


def _check_rates(uplift: float, share: float | None, alpha: float) -> None:
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"discordant_share is {share!r}; it must be a share of the instances, from 0 to 1")
    if not -1 <= uplift <= 1:
        raise ValueError(f"uplift is {uplift!r}; it must be a difference of rates, from -1 to 1, e.g. 0.1")
    if share is not None and abs(uplift) > share + 1e-12:
        raise ValueError(f"uplift is {uplift!r}, above discordant_share, {share!r}: only instances that differ lift")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}; it must lie between 0 and 1, e.g. 0.05")
