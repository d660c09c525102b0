"""Where a difference between two runs comes from: by rung, by how climbs failed, by tag, difficulty and cluster."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.pairing import Pair, Side
from evalkit.core.stats import Interval, difference
from evalkit.core.summary import InstanceRow, RungRow
from evalkit.core.traits import Traits

UNTOLD = "no class told"
# Easiest first: words that datasets use, and SWE-bench Verified's estimates.
SCALES = (
    ("trivial", "very easy", "easy", "medium", "hard", "very hard", "expert"),
    ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """The paired instances that have something in common. Rates weigh each instance once; `uplift` is B minus A.

    `uplift` is None where repeats make shares of the outcomes: the interval of a part would need more than counts.
    """

    name: str
    instances: int
    a: float
    b: float
    only_a: int
    only_b: int
    uplift: Interval | None


@dataclass(frozen=True, slots=True)
class RungPair:
    """One rung in both whole runs; None where a run has no rung of that name."""

    name: str
    a: RungRow | None
    b: RungRow | None


@dataclass(frozen=True, slots=True)
class FailurePair:
    """How many paired climbs ended unsolved with this class, and how many of those the other run solved."""

    name: str
    a: int
    b: int
    a_solved_by_b: int
    b_solved_by_a: int


def by_rung(a: Side, b: Side) -> tuple[RungPair, ...]:
    """The rungs of both runs, A's first, in climbing order."""
    ours = {row.name: row for row in a.summary.by_rung}
    theirs = {row.name: row for row in b.summary.by_rung}
    return tuple(RungPair(name, ours.get(name), theirs.get(name)) for name in {**ours, **theirs})


def by_failure(pairs: Iterable[Pair]) -> tuple[FailurePair, ...]:
    """The classes that unsolved climbs ended with, the most frequent first."""
    ended: dict[str, Counter[str]] = {name: Counter() for name in ("a", "b", "cured_a", "cured_b")}
    for pair in pairs:
        for one, other in _climbs(pair):
            _count(ended["a"], ended["cured_a"], one, other)
            _count(ended["b"], ended["cured_b"], other, one)
    names = sorted({*ended["a"], *ended["b"]}, key=lambda name: (-ended["a"][name] - ended["b"][name], name))
    return tuple(
        FailurePair(name, ended["a"][name], ended["b"][name], ended["cured_a"][name], ended["cured_b"][name])
        for name in names
    )


def by_tag(pairs: Sequence[Pair], traits: Mapping[str, Traits]) -> tuple[Group, ...]:
    """A group a tag, the largest first; an instance is in each of its tags' groups."""
    return _groups(pairs, traits, lambda one: one.tags)


def by_difficulty(pairs: Sequence[Pair], traits: Mapping[str, Traits]) -> tuple[Group, ...]:
    """A group a difficulty, the easiest first; instances without one are in none.

    Where the names are of no scale that is known, they come as the dataset has them.
    """
    found = _groups(pairs, traits, lambda one: (one.difficulty,) if one.difficulty else ())
    names = [one.name for one in found]
    scale = next((scale for scale in SCALES if {name.lower() for name in names} <= set(scale)), None)
    order = list(dict.fromkeys(one.difficulty for one in traits.values())) if scale is None else list(scale)
    return tuple(sorted(found, key=lambda one: order.index(one.name if scale is None else one.name.lower())))


def by_cluster(pairs: Sequence[Pair], traits: Mapping[str, Traits]) -> tuple[Group, ...]:
    """A group a cluster (repository), the largest first; instances without one are in none."""
    return _groups(pairs, traits, lambda one: (one.cluster,) if one.cluster else ())


def _groups(
    pairs: Sequence[Pair], traits: Mapping[str, Traits], names: Callable[[Traits], Sequence[str]]
) -> tuple[Group, ...]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in names(traits[pair.instance_id]) if pair.instance_id in traits else ():
            found.setdefault(name, []).append(pair)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(group(name, members) for name, members in ordered)


def group(name: str, pairs: Sequence[Pair]) -> Group:
    """What a part of the pairs comes to."""
    shares = [pair.shares for pair in pairs]
    once = all(len(pair.a) == 1 for pair in pairs)
    climbs = shares if once else [(one.solved, other.solved) for pair in pairs for one, other in _climbs(pair)]
    only_a, only_b = sum(one > other for one, other in climbs), sum(one < other for one, other in climbs)
    uplift = difference(only_a, only_b, len(pairs)) if once else None
    a, b = (sum(side) / len(pairs) for side in zip(*shares, strict=True))
    return Group(name, len(pairs), a, b, only_a, only_b, uplift)


def _climbs(pair: Pair) -> Iterable[tuple[InstanceRow, InstanceRow]]:
    return zip(pair.a, pair.b, strict=True)


def _count(ended: Counter[str], cured: Counter[str], one: InstanceRow, other: InstanceRow) -> None:
    if not one.solved:
        name = one.error_type or UNTOLD
        ended[name] += 1
        cured[name] += other.solved
