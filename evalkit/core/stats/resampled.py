"""Means and ratios of what has no bounds (attempts, cost, seconds), with bootstrap intervals."""

from collections.abc import Mapping
from math import inf, sqrt
from typing import Any
from warnings import catch_warnings, simplefilter

from evalkit.core.stats.rates import Interval
from evalkit.core.stats.shares import judged_clusters, student_t

Values = Mapping[str, float]
DRAWS = 2_000_000  # a bootstrap costs about as many random numbers


def mean_difference(
    a: Values, b: Values, *, clusters: Mapping[str, str] | None = None, seed: int = 0
) -> Interval | None:
    """B's mean minus A's over the instances that both have, with 95 % bounds; a and b: an instance's id and its mean.

    Bootstrap of instances, or of clusters where there are 6 or more, but never closer than Student's bounds, which
    cover better where few costs are skewed. None where they share no instance.
    """
    import numpy as np  # noqa: PLC0415  most commands need none

    names = sorted(a.keys() & b.keys())
    if not names:
        return None
    differences = np.array([b[name] - a[name] for name in names], float)
    labels = judged_clusters(names, clusters)
    drawn, student = _bootstrap((differences, np.ones(len(names))), labels, _over, seed), student_t(differences, labels)
    if len(names) == 1 or drawn.low == drawn.high:
        return drawn
    return Interval(drawn.value, min(drawn.low, student.low), max(drawn.high, student.high))


def cost_per_solved(
    cost: Values, solved: Values, *, clusters: Mapping[str, str] | None = None, seed: int = 0
) -> Interval | None:
    """The sum of `cost` over the sum of `solved` (shares or booleans), with 95 % bootstrap bounds.

    `high` is inf where resamples without any solved instance are too many; None where none was solved.
    """
    import numpy as np  # noqa: PLC0415  as above

    names = sorted(cost.keys() & solved.keys())
    paid, won = (np.array([one[name] for name in names], float) for one in (cost, solved))
    if not names or won.sum() == 0:
        return None
    return _bootstrap((paid, won), judged_clusters(names, clusters), _over, seed)


def cost_per_solved_ratio(
    a: tuple[Values, Values], b: tuple[Values, Values], *, clusters: Mapping[str, str] | None = None, seed: int = 0
) -> Interval | None:
    """B's cost per solved over A's (below 1: B is cheaper), paired; a and b: cost and solved by instance.

    None where either solved nothing or A cost nothing.
    """
    import numpy as np  # noqa: PLC0415  as above

    names = sorted(a[0].keys() & a[1].keys() & b[0].keys() & b[1].keys())
    columns = tuple(np.array([one[name] for name in names], float) for one in (*b, *a))
    if not names or columns[1].sum() == 0 or columns[3].sum() == 0 or columns[2].sum() == 0:
        return None
    return _bootstrap(columns, judged_clusters(names, clusters), _ratio_of_ratios, seed)


def _over(above: Any, below: Any, axis: int = -1) -> Any:
    return _quotient(above.sum(axis=axis), below.sum(axis=axis))


def _ratio_of_ratios(cost_b: Any, solved_b: Any, cost_a: Any, solved_a: Any, axis: int = -1) -> Any:
    return _quotient(_over(cost_b, solved_b, axis), _over(cost_a, solved_a, axis))


def _quotient(above: Any, below: Any) -> Any:
    import numpy as np  # noqa: PLC0415  as above

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above) / np.asarray(below)


def _bootstrap(columns: tuple[Any, ...], labels: Any, statistic: Any, seed: int) -> Interval:
    """Percentile bootstrap by scipy, of units drawn together (instances or clusters), with few units' bounds widened.

    The level is raised so that the bounds of a mean are as wide as Student's (Hesterberg 2015, The American
    Statistician 69:371, section 5.3: expanded percentile): plain ones are too close by sqrt((n - 1) / n), and by z / t.
    """
    import numpy as np  # noqa: PLC0415  as above
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415  as above
    from scipy.stats import DegenerateDataWarning, bootstrap  # noqa: PLC0415  scipy costs 0.5 s

    units = columns if labels is None else tuple(np.bincount(labels, column) for column in columns)
    value, count = float(statistic(*units)), len(units[0])
    if count == 1:
        return Interval(value, -inf, inf)  # one instance says nothing of how they vary
    if all(np.ptp(unit) == 0 for unit in units):
        return Interval(value, value, value)
    level = 1 - 2 * float(ndtr(sqrt(count / (count - 1)) * stdtrit(count - 1, 0.025)))
    with catch_warnings(), np.errstate(invalid="ignore"):
        simplefilter("ignore", DegenerateDataWarning)  # scipy's own bounds, unused: nan where a resample solved none
        drawn = bootstrap(
            units,
            statistic,
            paired=True,
            vectorized=True,
            method="percentile",
            confidence_level=level,
            n_resamples=int(np.clip(DRAWS // count, 999, 9_999)),
            batch=max(1, 1_000_000 // count),
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    known = drawn[~np.isnan(drawn)]  # 0 / 0: nothing paid and nothing solved
    bounds = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="nearest")  # others average with inf
    return Interval(value, min(value, float(bounds[0])), max(value, float(bounds[1])))
