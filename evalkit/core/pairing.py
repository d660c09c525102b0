"""Which climbs of two runs are set against each other, and which runs must not be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.core.errors import ConfigError
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.traits import Traits
from evalkit.core.types import JUDGED

SHARED_ONLY = "--shared-only compares what they share"


@dataclass(frozen=True, slots=True)
class Side:
    """One run as a comparison takes it: `label` is what it is called there, `traits` are empty if not recorded."""

    label: str
    summary: Summary
    traits: Mapping[str, Traits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """One instance under A and B: its climbs that both judged, epoch by epoch, at least one.

    `shares` are the shares of these climbs that A and B solved.
    """

    instance_id: str
    a: tuple[InstanceRow, ...]
    b: tuple[InstanceRow, ...]
    shares: tuple[float, float]


def refuse(sides: Sequence[Side], *, shared_only: bool = False, simulated: bool = False) -> None:
    """Raise ConfigError, in one line, for runs that must not be compared as they are.

    `shared_only` lets the instances and epochs differ, `simulated` sets scripted or replayed answers against live ones.
    """
    first = sides[0]
    for side in sides[1:]:
        if side.summary.simulated != first.summary.simulated and not simulated:
            one, other = (_named(side), _named(first)) if side.summary.simulated else (_named(first), _named(side))
            raise ConfigError(f"{one} is simulated and {other} is live; --allow-simulated compares them all the same")
        if not shared_only:
            _refuse_others(first, side)


def pair(a: Side, b: Side) -> tuple[Pair, ...]:
    """The instances that both judged, by id. Raises ConfigError where there are none.

    An unfinished or quarantined climb says nothing about the models: its epoch of the instance is left out on both
    sides.
    """
    ours, theirs = _judged(a.summary), _judged(b.summary)
    climbs: dict[str, list[tuple[InstanceRow, InstanceRow]]] = {}
    for key in sorted(ours.keys() & theirs.keys()):
        climbs.setdefault(key[0], []).append((ours[key], theirs[key]))
    if not climbs:
        raise ConfigError(f"{_named(a)} and {_named(b)} share no judged instance, so there is nothing to compare")
    return tuple(_pair(name, rows) for name, rows in climbs.items())


def _pair(name: str, climbs: Sequence[tuple[InstanceRow, InstanceRow]]) -> Pair:
    a, b = zip(*climbs, strict=True)
    if len(a) == 1:  # most often
        return Pair(name, a, b, (float(a[0].solved), float(b[0].solved)))
    shares = sum(row.solved for row in a) / len(a), sum(row.solved for row in b) / len(b)
    return Pair(name, a, b, shares)


def left_out(side: Side) -> dict[str, int]:
    """How many climbs of a run are no evidence, by status."""
    counts = Counter(str(row.status) for row in side.summary.instances if row.status not in JUDGED)
    return dict(sorted(counts.items()))


def _refuse_others(first: Side, side: Side) -> None:
    if side.summary.dataset.digest != first.summary.dataset.digest:
        raise ConfigError(
            f"{_named(first)} and {_named(side)} are on different datasets "
            f"({first.summary.dataset.name}, {side.summary.dataset.name}); {SHARED_ONLY}"
        )
    ours, theirs = _climbs(first.summary), _climbs(side.summary)
    if {name for name, _ in ours} != {name for name, _ in theirs}:
        raise ConfigError(f"{_named(first)} and {_named(side)} are on different samples; {SHARED_ONLY}")
    if ours != theirs:
        raise ConfigError(
            f"{_named(first)} and {_named(side)} repeat instances differently "
            f"({_epochs(ours)} and {_epochs(theirs)} epochs); {SHARED_ONLY}"
        )


def _climbs(summary: Summary) -> set[tuple[str, int]]:
    return {(row.instance_id, row.epoch) for row in summary.instances}


def _epochs(climbs: set[tuple[str, int]]) -> int:
    return max((epoch for _, epoch in climbs), default=0)


def _judged(summary: Summary) -> dict[tuple[str, int], InstanceRow]:
    return {(row.instance_id, row.epoch): row for row in summary.instances if row.status in JUDGED}


def _named(side: Side) -> str:
    return f"{side.label} ({side.summary.name})"
