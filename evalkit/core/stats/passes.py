"""pass@k and pass^k: what k tries solve at least once, and what they solve each time; of two runs, paired."""

from collections.abc import Callable, Mapping, Sequence
from math import comb

from evalkit.core.stats.rates import Interval
from evalkit.core.stats.shares import judged_clusters, mean_of_differences, mean_of_shares

Outcomes = Mapping[str, Sequence[bool]]


def pass_at_k(outcomes: Outcomes, k: int, *, clusters: Mapping[str, str] | None = None) -> Interval | None:
    """The chance that at least one of k tries solves an instance, from n >= k tries each; None without instances.

    Unbiased: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, equation 1), averaged over instances.
    `outcomes`: an instance's id and its tries; `clusters`: its id and e.g. its repository. Raises ValueError where an
    instance has fewer than k tries.
    """
    _check(outcomes, k)
    return _mean([_any(one, k) for one in outcomes.values()], outcomes, clusters)


def pass_hat_k(outcomes: Outcomes, k: int, *, clusters: Mapping[str, str] | None = None) -> Interval | None:
    """The chance that all of k tries solve an instance (pass^k), as `pass_at_k`.

    Unbiased: C(c, k) / C(n, k) (Yao et al. 2024, tau-bench, arXiv 2406.12045, section 3), averaged over instances.
    """
    _check(outcomes, k)
    return _mean([_all(one, k) for one in outcomes.values()], outcomes, clusters)


def pass_at_k_difference(
    a: Outcomes, b: Outcomes, k: int, *, clusters: Mapping[str, str] | None = None
) -> Interval | None:
    """B's pass@k minus A's, paired: the mean over the instances that both have of their differences; None without any.

    Each instance's own estimate is unbiased (`pass_at_k`), so their difference is; bounds are those of a mean of paired
    differences (`mean_of_differences`), so that with k = 1 it is the uplift. Raises ValueError as `pass_at_k`.
    """
    return _paired(_any, a, b, k, clusters)


def pass_hat_k_difference(
    a: Outcomes, b: Outcomes, k: int, *, clusters: Mapping[str, str] | None = None
) -> Interval | None:
    """B's pass^k minus A's, as `pass_at_k_difference`."""
    return _paired(_all, a, b, k, clusters)


def _any(tries: Sequence[bool], k: int) -> float:
    return 1 - comb(len(tries) - sum(tries), k) / comb(len(tries), k)


def _all(tries: Sequence[bool], k: int) -> float:
    return comb(sum(tries), k) / comb(len(tries), k)


def _paired(
    of: Callable[[Sequence[bool], int], float], a: Outcomes, b: Outcomes, k: int, clusters: Mapping[str, str] | None
) -> Interval | None:
    import numpy as np  # noqa: PLC0415  most commands need none

    names = sorted(a.keys() & b.keys())
    for one in (a, b):
        _check({name: one[name] for name in names}, k)
    if not names:
        return None
    differences = np.array([of(b[name], k) - of(a[name], k) for name in names])
    tries = max(max(len(a[name]), len(b[name])) for name in names)
    return mean_of_differences(differences, tries // k, judged_clusters(names, clusters))  # k tries are one outcome


def _check(outcomes: Outcomes, k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}; it must be 1 or more")
    short = [name for name, tries in outcomes.items() if len(tries) < k]
    if short:
        raise ValueError(
            f"k is {k}, but {len(short)} of {len(outcomes)} instances have fewer judged epochs, e.g. {short[0]!r} "
            f"{len(outcomes[short[0]])}: take a smaller k, leave them out, or run with epochs={k} or more"
        )


def _mean(shares: list[float], outcomes: Outcomes, clusters: Mapping[str, str] | None) -> Interval | None:
    import numpy as np  # noqa: PLC0415  most commands need none

    if not shares:
        return None
    labels = judged_clusters(list(outcomes), clusters)
    return mean_of_shares(np.array(shares), max(len(tries) for tries in outcomes.values()), labels)
