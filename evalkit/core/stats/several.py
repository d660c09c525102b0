"""More than two runs: each against a baseline, and a ranking that says which differences are not real."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from evalkit.core.stats.epochs import Compared, Pairs, compared
from evalkit.core.stats.rates import Interval, wilson
from evalkit.core.stats.shares import judged_clusters, mean_of_shares

Outcomes = Mapping[str, Sequence[bool]]
LEVEL = 0.05
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Against:
    """A run (B) set against the baseline (A). `p_adjusted` is Holm's; `conclusion` is by it."""

    name: str
    compared: Compared
    p_adjusted: float
    conclusion: str


@dataclass(frozen=True, slots=True)
class Place:
    """A run's place by solved rate, 1 the best; equal rates share one.

    `rate` is over all of the run's own judged instances. `level_with` names the runs, in order, from which this one is
    not distinguishable: all pairs compared on what they share, Holm-corrected over all pairs. `p_next` is the
    adjusted p against the next below.
    """

    place: int
    name: str
    rate: Interval
    level_with: tuple[str, ...]
    p_next: float | None


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values over a family of comparisons, in the order given (Holm 1979, Scand. J. Statistics 6:65)."""
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415  costs a second

    return tuple(float(one) for one in multipletests(list(p_values), method="holm")[1]) if len(p_values) > 0 else ()


def against(
    baseline: str, runs: Mapping[str, Outcomes], *, clusters: Mapping[str, str] | None = None
) -> tuple[Against, ...]:
    """Each other run against `baseline`, in the order given, Holm-corrected; `runs`: a name and its judged epochs.

    Raises ValueError where the baseline is not there or shares no judged instance with a run.
    """
    if baseline not in runs:
        raise ValueError(f"baseline is {baseline!r}; it must be one of {', '.join(map(repr, runs))}")
    others = [name for name in runs if name != baseline]
    found = [_named(compared, baseline, name, runs, clusters) for name in others]
    adjusted = holm([one.p_value for one in found])
    return tuple(
        Against(name, one, p, _concluded(one, p)) for name, one, p in zip(others, found, adjusted, strict=True)
    )


def ranked(runs: Mapping[str, Outcomes], *, clusters: Mapping[str, str] | None = None) -> tuple[Place, ...]:
    """The runs from the best solved rate to the worst. Raises ValueError where two share no judged instance."""
    rates = {name: _rate(outcomes, name, clusters) for name, outcomes in runs.items()}
    order = sorted(runs, key=lambda name: (-rates[name].value, name))
    pairs = list(combinations(order, 2))
    p_values = [_named(Pairs, *pair, runs, clusters).p_value() for pair in pairs]
    adjusted = dict(zip(map(frozenset, pairs), holm(p_values), strict=True))
    places: list[Place] = []
    for number, name in enumerate(order):
        tied = number > 0 and rates[name].value == rates[order[number - 1]].value
        level = tuple(other for other in order if other != name and adjusted[frozenset((name, other))] >= LEVEL)
        following = order[number + 1] if number + 1 < len(order) else None
        p_next = adjusted[frozenset((name, following))] if following is not None else None
        places.append(Place(places[-1].place if tied else number + 1, name, rates[name], level, p_next))
    return tuple(places)


def _named(
    make: Callable[[Outcomes, Outcomes, Mapping[str, str] | None], Made],
    a: str,
    b: str,
    runs: Mapping[str, Outcomes],
    clusters: Mapping[str, str] | None,
) -> Made:
    try:
        return make(runs[a], runs[b], clusters)
    except ValueError as error:
        raise ValueError(f"{a!r} and {b!r}: {error}") from error


def _rate(outcomes: Outcomes, name: str, clusters: Mapping[str, str] | None) -> Interval:
    import numpy as np  # noqa: PLC0415  most commands need none

    judged = {one: tries for one, tries in outcomes.items() if tries}
    if not judged:
        raise ValueError(f"{name!r} has no judged instance, so it has no rate")
    shares = np.array([sum(tries) / len(tries) for tries in judged.values()])
    epochs = max(map(len, judged.values()))
    of = judged_clusters(list(judged), clusters)
    if epochs == 1 and of is None and (plain := wilson(float(shares.sum()), len(shares))):
        return plain  # as the run itself tells it: one rate, one interval
    return mean_of_shares(shares, epochs, of)


def _concluded(one: Compared, p_adjusted: float) -> str:
    significant = one.conclusion in ("better", "worse")
    return "no_difference_shown" if significant and p_adjusted >= LEVEL else one.conclusion
