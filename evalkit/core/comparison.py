"""Two runs set against each other: the difference, whether it is real, and where it comes from. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from operator import attrgetter

from evalkit.core.breakdown import FailurePair, Group, RungPair, by_cluster, by_difficulty, by_failure, by_rung, by_tag
from evalkit.core.errors import ConfigError
from evalkit.core.pairing import Pair, Side, left_out, pair
from evalkit.core.power import smallest_uplift
from evalkit.core.stats import (
    Compared,
    Interval,
    Place,
    compared,
    costs_per_solved,
    holm,
    mean_differences,
    pass_at_k,
    pass_at_k_difference,
    pass_hat_k,
    pass_hat_k_difference,
    ranked,
)
from evalkit.core.summary import InstanceRow
from evalkit.core.types import JUDGED

LEVEL = 0.05
QUANTITIES: tuple[Callable[[InstanceRow], float | None], ...] = (
    attrgetter("attempts"),
    attrgetter("time_seconds"),
    attrgetter("cost_usd"),
)
Outcomes = dict[str, list[bool]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A quantity an instance: its means under A and B, and the mean of the paired differences, B minus A.

    `instances` is over how many: those where both are known.
    """

    a: float
    b: float
    difference: Interval
    instances: int


@dataclass(frozen=True, slots=True)
class CostPerSolved:
    """US dollars a solved climb, over the paired instances with known costs, and B's over A's (below 1: cheaper)."""

    a: Interval | None
    b: Interval | None
    ratio: Interval | None


@dataclass(frozen=True, slots=True)
class Passes:
    """The chance that at least one of k climbs solves an instance (pass@k), and that all do (pass^k), on each side.

    `at` and `hat` are the means of the instances' paired differences, B minus A.
    """

    k: int
    at_a: Interval
    at_b: Interval
    hat_a: Interval
    hat_b: Interval
    at: Interval
    hat: Interval


@dataclass(frozen=True, slots=True)
class Flip:
    """An instance that one run solved more often than the other: the shares of its climbs, and their rows by epoch."""

    instance_id: str
    a: float
    b: float
    rows_a: tuple[InstanceRow, ...]
    rows_b: tuple[InstanceRow, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A and B on the `pairs` of instances that both judged. Differences and uplifts are B minus A.

    `found` takes instances for independent (exact McNemar where each was climbed once), `clustered` takes clusters for
    it, where the instances have 6 or more. `p_adjusted` is Holm's where there were several comparisons; `conclusion`
    (better, worse, no_difference_shown, cannot_show) goes by it. `smallest` is the smallest true uplift that so many
    instances show with 80 % power (inf: none); `known` says whether tags and difficulty were recorded.
    """

    a: Side
    b: Side
    pairs: tuple[Pair, ...]
    found: Compared
    clustered: Compared | None
    p_adjusted: float
    conclusion: str
    smallest: float
    attempts: Difference | None
    seconds: Difference | None
    cost_usd: Difference | None
    per_solved: CostPerSolved
    passes: tuple[Passes, ...]
    rungs: tuple[RungPair, ...]
    failures: tuple[FailurePair, ...]
    known: bool
    tags: tuple[Group, ...]
    difficulties: tuple[Group, ...]
    clusters: tuple[Group, ...]
    flips: tuple[Flip, ...]

    @property
    def spent(self) -> tuple[float | None, float | None]:
        """US dollars on the paired climbs, by A and by B; None where a climb's are unknown."""
        return _spent([one.a for one in self.pairs]), _spent([one.b for one in self.pairs])

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """How many climbs of each run are no evidence, by status."""
        return {"a": left_out(self.a), "b": left_out(self.b)}


def compare(a: Side, b: Side) -> Comparison:
    """Compare two runs. Raises ConfigError where they share no judged instance (`pairing.refuse` says more)."""
    pairs = pair(a, b)
    attempts, seconds, cost_usd = _measured(pairs)
    traits = {**b.traits, **a.traits}
    clusters = {name: one.cluster for name, one in traits.items() if one.cluster}
    ours, theirs = outcomes(pairs)
    found = compared(ours, theirs)
    clustered = compared(ours, theirs, clusters=clusters) if clusters else None
    return Comparison(
        a=a,
        b=b,
        pairs=pairs,
        found=found,
        clustered=clustered if clustered is not None and clustered.clusters else None,
        p_adjusted=found.p_value,
        conclusion=found.conclusion,
        smallest=smallest_uplift(len(pairs)),
        attempts=attempts,
        seconds=seconds,
        cost_usd=cost_usd,
        per_solved=_per_solved(pairs),
        passes=_passes(ours, theirs),
        rungs=by_rung(a, b),
        failures=by_failure(pairs),
        known=bool(traits),
        tags=by_tag(pairs, traits),
        difficulties=by_difficulty(pairs, traits),
        clusters=by_cluster(pairs, traits),
        flips=tuple(_flip(one) for one in pairs if one.shares[0] != one.shares[1]),
    )


def against(baseline: Side, others: Sequence[Side]) -> tuple[Comparison, ...]:
    """Each other run (B) against the baseline (A), with Holm's correction where there are several."""
    found = [compare(baseline, other) for other in others]
    if len(found) < 2:  # noqa: PLR2004  one comparison needs no correction
        return tuple(found)
    adjusted = holm([one.found.p_value for one in found])
    return tuple(_adjusted(one, p_value) for one, p_value in zip(found, adjusted, strict=True))


def places(sides: Sequence[Side]) -> tuple[Place, ...]:
    """The runs by solved rate over the climbs that each judged, under their labels: which differences are not real.

    Raises ConfigError where two share no judged instance.
    """
    climbs: dict[str, Outcomes] = {side.label: {} for side in sides}
    for side in sides:
        for row in side.summary.instances:
            if row.status in JUDGED:
                climbs[side.label].setdefault(row.instance_id, []).append(row.solved)
    try:
        return ranked(climbs)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def outcomes(pairs: Sequence[Pair]) -> tuple[Outcomes, Outcomes]:
    """What A and what B solved: an instance's id and its climbs."""
    ours = {one.instance_id: [row.solved for row in one.a] for one in pairs}
    return ours, {one.instance_id: [row.solved for row in one.b] for one in pairs}


def _adjusted(one: Comparison, p_value: float) -> Comparison:
    lost = one.conclusion in ("better", "worse") and p_value >= LEVEL
    return replace(one, p_adjusted=p_value, conclusion="no_difference_shown" if lost else one.conclusion)


def _measured(pairs: Sequence[Pair]) -> Iterator[Difference | None]:
    """Attempts, seconds and US dollars; None where no instance has the quantity on both sides."""
    climbs = {one.instance_id: one.a for one in pairs}, {one.instance_id: one.b for one in pairs}
    means = [(_means(climbs[0], value), _means(climbs[1], value)) for value in QUANTITIES]
    for (ours, theirs), difference in zip(means, mean_differences(means), strict=True):
        yield None if difference is None else _difference(ours, theirs, difference)


def _difference(ours: Mapping[str, float], theirs: Mapping[str, float], difference: Interval) -> Difference:
    shared = [name for name in ours if name in theirs]  # in order: sums of a set differ from process to process
    a, b = (sum(each[name] for name in shared) / len(shared) for each in (ours, theirs))
    return Difference(a, b, difference, len(shared))


def _means(
    climbs: Mapping[str, Sequence[InstanceRow]], value: Callable[[InstanceRow], float | None]
) -> dict[str, float]:
    """An instance's mean over its epochs; those where it is unknown in one are left out."""
    found = {}
    for name, rows in climbs.items():
        values = [value(row) for row in rows]
        known = [one for one in values if one is not None]
        if len(known) == len(values):
            found[name] = sum(known) / len(known)
    return found


def _per_solved(pairs: Sequence[Pair]) -> CostPerSolved:
    costs = [
        _means(rows, attrgetter("cost_usd"))
        for rows in ({one.instance_id: one.a for one in pairs}, {one.instance_id: one.b for one in pairs})
    ]
    a, b = ((cost, {one.instance_id: one.shares[side] for one in pairs}) for side, cost in enumerate(costs))
    return CostPerSolved(*costs_per_solved(a, b))


def _passes(ours: Outcomes, theirs: Outcomes) -> tuple[Passes, ...]:
    """For 1 and its doubles, up to as many epochs as every instance has; nothing where each was climbed once."""
    most = min(len(climbs) for climbs in ours.values())
    found = []
    for k in sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most}) if most > 1 else []:
        made = [of(each, k) for of in (pass_at_k, pass_hat_k) for each in (ours, theirs)]
        made += [of(ours, theirs, k) for of in (pass_at_k_difference, pass_hat_k_difference)]
        at_a, at_b, hat_a, hat_b, at, hat = (one for one in made if one is not None)
        found.append(Passes(k, at_a, at_b, hat_a, hat_b, at, hat))
    return tuple(found)


def _spent(climbs: Sequence[Sequence[InstanceRow]]) -> float | None:
    costs = [row.cost_usd for rows in climbs for row in rows]
    known = [cost for cost in costs if cost is not None]
    return fsum(known) if len(known) == len(costs) else None


def _flip(one: Pair) -> Flip:
    a, b = one.shares
    return Flip(one.instance_id, a, b, one.a, one.b)
