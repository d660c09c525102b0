"""The interval of a mean over instances, each with a share or a difference of shares, that may come in clusters."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from evalkit.core.stats.pairs import difference
from evalkit.core.stats.rates import Interval, wilson

FEWEST_CLUSTERS = 6  # with 5, even 5 to 0 gives p = 0.0625, and nothing is known of how clusters vary


def mean_of_differences(differences: Any, climbs: int, labels: Any = None) -> Interval:
    """The mean of `differences` (an array, one an instance, each -1 to 1) with its 95 % bounds.

    A score interval of paired rates (Tango 1998) with the sample that would be as sure were each difference -1, 0 or
    1: n times the variance under that over the variance found (Korn and Graubard 1998, Survey Methodology 24:193, for
    one rate), and Student's t. `climbs` (most epochs of an instance, both sides) bounds it: identical shares don't
    prove more than their climbs. `labels`: clusters as 0, 1, …; the bounds are then those of `student_t`, and
    never closer than without.
    """
    value, instances = float(differences.mean()), len(differences)
    only_a, only_b = float(-differences.clip(max=0).sum()), float(differences.clip(min=0).sum())
    size = _effective(_variance(differences), (only_a + only_b) / instances - value**2, instances, climbs)
    found = difference(only_a * size / instances, only_b * size / instances, size, z=_t(instances - 1))
    found = Interval(value, min(value, found.low), max(value, found.high))
    return found if labels is None else _wider(found, student_t(differences, labels), least=-1.0)


def mean_of_shares(shares: Any, climbs: int, labels: Any = None) -> Interval:
    """The mean of `shares` (an array, one an instance, each 0 to 1) with its 95 % bounds, as `mean_of_differences`."""
    value, instances = float(shares.mean()), len(shares)
    size = _effective(_variance(shares), value * (1 - value), instances, climbs)
    found = wilson(value * size, size, z=_t(instances - 1))
    assert found is not None
    found = Interval(value, min(value, found.low), max(value, found.high))
    return found if labels is None else _wider(found, student_t(shares, labels), least=0.0)


def labels_of(names: Sequence[str], clusters: Mapping[str, str] | None) -> Any:
    """Each instance's cluster as 0, 1, …; None without clusters. An instance that has none is one of its own."""
    import numpy as np  # noqa: PLC0415  most commands need none

    if clusters is None:
        return None
    numbers: dict[tuple[bool, str], int] = {}
    keys = ((True, clusters[name]) if name in clusters else (False, name) for name in names)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def judged_clusters(names: Sequence[str], clusters: Mapping[str, str] | None) -> Any:
    """As `labels_of`, where there are clusters enough to judge by, and not each instance is one of its own."""
    labels = labels_of(names, clusters)
    return labels if labels is not None and FEWEST_CLUSTERS <= labels.max() + 1 < len(names) else None


def standard_error(values: Any, labels: Any = None) -> tuple[float, float]:
    """The standard error of the mean of `values`, and the degrees of freedom of its t.

    With clusters: the jackknife over them (CV3 of MacKinnon, Nielsen and Webb 2023, J. Econometrics 232:272), which
    statsmodels has not, and of whose clusters as many count as equal ones would (Carter, Schnepel and Steigerwald
    2017, Rev. Econ. Stat. 99:698): with few or unequal clusters the usual sandwich (CV1) covers 82 to 90 %.
    """
    import numpy as np  # noqa: PLC0415  as above

    if labels is None:
        return sqrt(_variance(values)), len(values) - 1.0
    sums, sizes = np.bincount(labels, values), np.bincount(labels)
    without = (values.sum() - sums) / (len(values) - sizes)
    clusters = len(sizes)
    error = sqrt((clusters - 1) / clusters * float(((without - values.mean()) ** 2).sum()))
    return error, max(1.0, 1 / float(((sizes / len(values)) ** 2).sum()) - 1)


def student_t(values: Any, labels: Any = None) -> Interval:
    """The mean with Student's bounds by `standard_error`."""
    value, (error, freedom) = float(values.mean()), standard_error(values, labels)
    return Interval(value, value - _t(freedom) * error, value + _t(freedom) * error)


def _wider(one: Interval, other: Interval, *, least: float) -> Interval:
    return Interval(one.value, max(least, min(one.low, other.low)), min(1.0, max(one.high, other.high)))


def _variance(values: Any) -> float:
    """Of the mean."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _effective(variance: float, binary: float, instances: int, climbs: int) -> float:
    """How many instances with one climb each would be as sure."""
    if binary <= 0:
        return float(instances)  # all alike at an end: as if each were one climb
    most = float(instances * climbs)
    return most if variance <= 0 else min(binary / variance, most)


def _t(freedom: float) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415  scipy.stats' t, without the half second of importing it

    return float(stdtrit(max(1.0, freedom), 0.975))
