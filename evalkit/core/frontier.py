"""Which choices are worth their price: those that no other one beats in cost without solving less."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Point:
    """One choice, such as a ladder or a sweep's cell. `cost` in any one unit (less is better), `solved` a rate."""

    name: str
    cost: float
    solved: float


def frontier(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other one beats (solves as much for less, or more for as much), cheapest first.

    Of points that agree in both, the first given stays. Raises ValueError where a number is not finite.
    """
    kept: list[Point] = []
    for point in sorted(map(_finite, points), key=lambda one: (one.cost, -one.solved)):  # stable: first given, first
        if not kept or point.solved > kept[-1].solved:
            kept.append(point)
    return tuple(kept)


def _finite(point: Point) -> Point:
    if not (isfinite(point.cost) and isfinite(point.solved)):
        raise ValueError(f"{point.name!r} has cost {point.cost!r} and solved {point.solved!r}; leave unknown ones out")
    return point
