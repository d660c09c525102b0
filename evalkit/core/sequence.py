"""Bounds of a rate that hold at every look, and the smallest difference that so many instances can show; pure."""

from collections.abc import Callable
from math import ceil, exp, lgamma, log

from evalkit.core.stats import Interval

PRIOR = 0.5  # Beta(1/2, 1/2): nearly as tight at rates of 0 and 1 as in the middle
POWER = 0.8  # Cohen's convention (1988): four in five real differences of this size are seen
HALVINGS = 60
ROUNDING = 1e-9  # 0.7 x 10 is a little more than 7


def confidence_sequence(successes: float, trials: int, alpha: float) -> Interval | None:
    """Bounds that hold at all looks at once with probability 1 - alpha, however often one looks; None without trials.

    The beta-binomial mixture: under a rate p, the likelihood ratio of a Beta(1/2, 1/2) mixture against p is a
    martingale that starts at 1, so that it ever reaches 1/alpha with probability alpha at most (Ville 1939); the
    rates for which it has not are the bounds. Method of mixtures: Robbins 1970, Annals of Mathematical Statistics
    41:1397; as confidence sequences: Howard, Ramdas, McAuliffe and Sekhon 2021, Annals of Statistics 49:1055.

    `successes` may be fractions, e.g. the mean over an instance's epochs: for results between 0 and 1 with mean p
    the ratio is a supermartingale, because it is convex in each result (Hoeffding 1963, JASA 58:13). Raises
    ValueError where they do not fit `trials`.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return None
    rate, limit = successes / trials, -log(alpha)
    low = _edge(lambda p: evidence(successes, trials, p) < limit, rate, 0.0)
    high = _edge(lambda p: evidence(successes, trials, p) < limit, rate, 1.0)
    return Interval(rate, low, high)


def evidence(successes: float, trials: int, rate: float) -> float:
    """The logarithm of the mixture's likelihood ratio against `rate`; log(1/alpha) refutes it at that level."""
    failures = trials - successes
    mixture = _log_beta(PRIOR + successes, PRIOR + failures) - _log_beta(PRIOR, PRIOR)
    return mixture - _times(successes, rate) - _times(failures, 1 - rate)


def detectable(trials: int, threshold: float, *, above: bool, alpha: float) -> float | None:
    """How far the true rate must lie beyond `threshold` for the bounds to show it with a power of 80 %.

    The minimum detectable effect (Bloom 1995, Evaluation Review 19:547), without its normal approximation: the
    fewest successes that put the bound beyond the threshold, and the rate at which a binomial variable reaches them
    with that power (its tail, solved for the rate as in Clopper and Pearson 1934, Biometrika 26:404). None where no
    result of so few trials could.
    """
    if not above:
        return detectable(trials, 1 - threshold, above=True, alpha=alpha)
    needed = _fewest(trials, threshold, alpha)
    if needed is None:
        return None
    rate = _edge(lambda p: _at_least(needed, trials, p) >= POWER, 1.0, 0.0)
    return max(0.0, rate - threshold)


def _fewest(trials: int, threshold: float, alpha: float) -> int | None:
    """The fewest successes that put the lower bound at the threshold."""
    least, limit = ceil(threshold * trials - ROUNDING), -log(alpha)
    return next((n for n in range(least, trials + 1) if evidence(n, trials, threshold) >= limit), None)


def _at_least(needed: int, trials: int, rate: float) -> float:
    """The probability of so many successes or more."""
    return min(1.0, sum(exp(_log_binomial(n, trials, rate)) for n in range(needed, trials + 1)))


def _log_binomial(successes: int, trials: int, rate: float) -> float:
    ways = lgamma(trials + 1) - lgamma(successes + 1) - lgamma(trials - successes + 1)
    return ways + _times(successes, rate) + _times(trials - successes, 1 - rate)


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, on the way from `inside` to `outside`, it stops to hold; rounded outwards."""
    if holds(outside):
        return outside
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside


def _times(count: float, rate: float) -> float:
    """Count x log(rate), where nothing happened 0 even at rate 0."""
    if count == 0:
        return 0.0
    return float("-inf") if rate <= 0 else count * log(rate)


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
