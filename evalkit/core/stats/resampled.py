"""Means and ratios of what has no bounds (attempts, cost, seconds), with bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import inf, sqrt
from typing import Any

from evalkit.core.stats.rates import Interval
from evalkit.core.stats.shares import judged_clusters, student_t

Values = Mapping[str, float]
Clusters = Mapping[str, str] | None
DRAWS = 2_000_000  # a bootstrap costs about as many random numbers


def mean_difference(a: Values, b: Values, *, clusters: Clusters = None, seed: int = 0) -> Interval | None:
    """B's mean minus A's over the instances that both have, with 95 % bounds; a and b: an instance's id and its mean.

    Bootstrap of instances, or of clusters where there are 6 or more, but never closer than Student's bounds, which
    cover better where few costs are skewed. None where they share no instance.
    """
    return mean_differences([(a, b)], clusters=clusters, seed=seed)[0]


def mean_differences(
    quantities: Sequence[tuple[Values, Values]], *, clusters: Clusters = None, seed: int = 0
) -> list[Interval | None]:
    """`mean_difference` of each of these quantities; those of the same instances are drawn together."""
    shared = [tuple(sorted(a.keys() & b.keys())) for a, b in quantities]
    found: list[Interval | None] = [None] * len(quantities)
    for names in filter(None, dict.fromkeys(shared)):
        here = [at for at, theirs in enumerate(shared) if theirs == names]
        columns = [[quantities[at][1][name] - quantities[at][0][name] for name in names] for at in here]
        drawn = _Drawn([*columns, [1.0] * len(names)], judged_clusters(names, clusters), seed)
        for column, at in enumerate(here):
            found[at] = _mean(drawn, column)
    return found


def cost_per_solved(cost: Values, solved: Values, *, clusters: Clusters = None, seed: int = 0) -> Interval | None:
    """The sum of `cost` over the sum of `solved` (shares or booleans), with 95 % bootstrap bounds.

    `high` is inf where resamples without any solved instance are too many; None where none was solved.
    """
    names = sorted(cost.keys() & solved.keys())
    return _over(_drawn((cost, solved), names, clusters, seed), 0, 1)


def cost_per_solved_ratio(
    a: tuple[Values, Values], b: tuple[Values, Values], *, clusters: Clusters = None, seed: int = 0
) -> Interval | None:
    """B's cost per solved over A's (below 1: B is cheaper), paired; a and b: cost and solved by instance.

    None where either solved nothing or A cost nothing.
    """
    names = sorted(a[0].keys() & a[1].keys() & b[0].keys() & b[1].keys())
    return _ratio(_drawn((*a, *b), names, clusters, seed))


def costs_per_solved(
    a: tuple[Values, Values], b: tuple[Values, Values], *, clusters: Clusters = None, seed: int = 0
) -> tuple[Interval | None, Interval | None, Interval | None]:
    """`cost_per_solved` of A and of B, and `cost_per_solved_ratio`, drawn together where they are of one sample."""
    ours, theirs = (one[0].keys() & one[1].keys() for one in (a, b))
    if ours == theirs:
        drawn = _drawn((*a, *b), sorted(ours), clusters, seed)
        return _over(drawn, 0, 1), _over(drawn, 2, 3), _ratio(drawn)
    each = [cost_per_solved(*one, clusters=clusters, seed=seed) for one in (a, b)]
    return each[0], each[1], cost_per_solved_ratio(a, b, clusters=clusters, seed=seed)


class _Drawn:
    """Sums of `columns`, each an instance's value, over instances (or clusters) drawn with replacement.

    What is estimated are functions of such sums, so that one draw serves all of them.
    """

    def __init__(self, columns: Sequence[Sequence[float]], labels: Any, seed: int) -> None:
        import numpy as np  # noqa: PLC0415  most commands need none

        self.columns, self.labels, self._seed = np.array(columns, float), labels, seed
        by = self.columns if labels is None else [np.bincount(labels, column) for column in self.columns]
        self._units = np.asarray(by)
        self.totals = self._units.sum(axis=1)

    def interval(self, statistic: Callable[..., Any], *columns: int) -> Interval:
        """Of a function of some columns' sums: percentile bootstrap, with few units' bounds widened.

        The level is raised so that the bounds of a mean are as wide as Student's (Hesterberg 2015, The American
        Statistician 69:371, section 5.3: expanded percentile): plain ones are too close by sqrt((n - 1) / n), and
        by z / t.
        """
        import numpy as np  # noqa: PLC0415  as above
        from scipy.special import ndtr, stdtrit  # noqa: PLC0415  as above

        at, count = list(columns), self._units.shape[1]
        value = float(statistic(*self.totals[at]))
        if count == 1:
            return Interval(value, -inf, inf)  # one instance says nothing of how they vary
        if (np.ptp(self._units[at], axis=1) == 0).all():
            return Interval(value, value, value)
        level = 1 - 2 * float(ndtr(sqrt(count / (count - 1)) * stdtrit(count - 1, 0.025)))
        drawn = statistic(*self._sums[at])
        known = drawn[~np.isnan(drawn)]  # 0 / 0: nothing paid and nothing solved
        bounds = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="nearest")  # others average with inf
        return Interval(value, min(value, float(bounds[0])), max(value, float(bounds[1])))

    @cached_property
    def _sums(self) -> Any:
        """Columns x resamples, by scipy."""
        import numpy as np  # noqa: PLC0415  as above
        from scipy.stats import bootstrap  # noqa: PLC0415  scipy costs 0.5 s

        count = self._units.shape[1]

        def sums(drawn: Any, axis: int) -> Any:  # noqa: ARG001  scipy's own: the last
            rows = np.arange(len(drawn))[:, None] * count
            times = np.bincount((drawn + rows).ravel(), minlength=drawn.size).reshape(drawn.shape)
            return (times.astype(float) @ self._units.T).T

        return bootstrap(
            (np.arange(count),),
            sums,
            vectorized=True,
            method="percentile",
            n_resamples=int(np.clip(DRAWS // count, 999, 9_999)),
            batch=max(1, 1_000_000 // count),
            rng=np.random.default_rng(self._seed),
        ).bootstrap_distribution


def _drawn(values: Sequence[Values], names: Sequence[str], clusters: Clusters, seed: int) -> _Drawn:
    columns = [[float(one[name]) for name in names] for one in values]
    return _Drawn(columns, judged_clusters(names, clusters) if names else None, seed)


def _mean(drawn: _Drawn, column: int) -> Interval:
    """The last column counts the instances."""
    found = drawn.interval(_quotient, column, -1)
    if drawn.columns.shape[1] == 1 or found.low == found.high:
        return found
    student = student_t(drawn.columns[column], drawn.labels)
    return Interval(found.value, min(found.low, student.low), max(found.high, student.high))


def _over(drawn: _Drawn, cost: int, solved: int) -> Interval | None:
    return drawn.interval(_quotient, cost, solved) if drawn.totals[solved] else None


def _ratio(drawn: _Drawn) -> Interval | None:
    cost_a, solved_a, _, solved_b = drawn.totals
    return drawn.interval(_ratio_of_ratios, 0, 1, 2, 3) if cost_a and solved_a and solved_b else None


def _ratio_of_ratios(cost_a: Any, solved_a: Any, cost_b: Any, solved_b: Any) -> Any:
    return _quotient(_quotient(cost_b, solved_b), _quotient(cost_a, solved_a))


def _quotient(above: Any, below: Any) -> Any:
    import numpy as np  # noqa: PLC0415  most commands need none

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above) / np.asarray(below)
