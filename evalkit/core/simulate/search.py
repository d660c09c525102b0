"""Every ladder of recorded rungs at once: for each set of rungs its cheapest order, and what it solves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import factorial, prod
from typing import Any

from evalkit.core.failure import Failure
from evalkit.core.frontier import Point, frontier
from evalkit.core.ladder import Ladder, Then, then
from evalkit.core.simulate.evidence import Answer, Evidence, Unit

Spec = tuple[tuple[str, int], ...]  # sources with their attempts, in climbing order
MOST_NUMBERS = 40_000_000  # of sets x instances held at once: 160 MB
FOLDS = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came to. `ladders` is how many are covered, orders of the same rungs included.

    `frontier` are the worthwhile ones, cheapest first, and `best` the one that was asked for. `held_out` is the rate
    that this choice solves where it did not choose: made on nine tenths of the instances, counted on the last tenth.
    `attempts` are the most of each source that were tried.
    """

    ladders: int
    frontier: tuple[Spec, ...]
    best: Spec | None
    held_out: float | None
    attempts: Mapping[str, int]
    cloud: tuple[tuple[float, float], ...]  # mean cost and rate of every set


def ladder_of(evidence: Evidence, spec: Spec) -> Ladder:
    """The ladder that a spec means, with the policy of the first run."""
    return Ladder(
        {name: replace(evidence.sources[name], attempts=attempts) for name, attempts in spec}, on=dict(evidence.on)
    )


def spec_name(spec: Spec) -> str:
    """`small:2 > big`."""
    return " > ".join(name if attempts == 1 else f"{name}:{attempts}" for name, attempts in spec)


def search(
    evidence: Evidence, max_attempts: int, attempts: Mapping[str, int], *, budget: float | None = None, seed: int = 0
) -> Found:
    """Look at every ladder of these sources, up to so many attempts each, `max_attempts` together at most.

    Told nothing of each other, attempts come to the same in whatever order, so that of all orders of a set only the
    cheapest to each of its subsets can be worth anything: the travelling salesman's dynamic program (Held and Karp
    1962, J. SIAM 10:196). Where prompts tell of earlier attempts, this holds for all but the first. The policy `stop`
    is not looked at. `budget` is the mean cost of a climb that the best one may have at most.
    """
    space = _Space(evidence, max_attempts, attempts, seed)
    return space.found(budget)


class _Space:
    """Sets of (source, attempts) as numbers of mixed radix: digit i is how many attempts source i makes."""

    def __init__(self, evidence: Evidence, most: int, attempts: Mapping[str, int], seed: int) -> None:
        import numpy as np  # noqa: PLC0415  simulating alone needs it

        self.np: Any = np
        self.evidence, self.most = evidence, most
        self.names = list(attempts)
        self.tries = _fitting([min(attempts[name], most) for name in self.names], len(evidence.units))
        self.folds = self._folds(seed)
        self.radix = [prod(count + 1 for count in self.tries[:place]) for place in range(len(self.names))]
        self.size = prod(count + 1 for count in self.tries)
        self.digits = np.stack(
            [np.arange(self.size) // step % (count + 1) for step, count in zip(self.radix, self.tries, strict=True)], 1
        )

    def found(self, budget: float | None) -> Found:
        """Search from each start, and keep the best of all."""
        np = self.np
        later = [self._blocks(name, tries, first=False) for name, tries in zip(self.names, self.tries, strict=True)]
        parts = [self._from(start, later) for start in self._starts()]
        costs = np.concatenate([part.cost for part in parts])  # ladders x (folds + 1)
        solved = np.concatenate([part.solved for part in parts])
        allowed = np.isfinite(costs[:, -1])
        names = [(part, state) for part in parts for state in range(self.size)]
        keep = np.flatnonzero(allowed)
        points = [Point(str(at), float(costs[at, -1]), float(solved[at, -1])) for at in keep]
        line = frontier(Point(one.name, round(one.cost, 12), round(one.solved, 9)) for one in points)
        best = self._choose(costs[:, -1], solved[:, -1], budget)
        return Found(
            ladders=self._count(),
            frontier=tuple(self._spec(*names[int(one.name)]) for one in line),
            best=None if best is None else self._spec(*names[best]),
            held_out=self._held_out(costs, solved, budget) if best is not None else None,
            attempts=dict(zip(self.names, self.tries, strict=True)),
            cloud=tuple((one.cost, one.solved) for one in points),
        )

    def _starts(self) -> list["_Start"]:
        np = self.np
        everyone = np.ones(len(self.evidence.units), np.float32)
        nothing = np.zeros(len(self.evidence.units), np.float32)
        if not self.evidence.told:
            return [_Start(0, -1, everyone, nothing)]
        starts = []
        for place, (name, tries) in enumerate(zip(self.names, self.tries, strict=True)):
            blocks = self._blocks(name, tries, first=True)
            starts += [_Start(count * self.radix[place], place, *blocks[count - 1]) for count in range(1, tries + 1)]
        return starts

    def _blocks(self, name: str, tries: int, *, first: bool) -> list[tuple[Any, Any]]:
        """For 1 to `tries` attempts on a source: the chance to go on after them, and their cost, by instance."""
        np = self.np
        cells = [
            [_cell(self.evidence, unit, name, draw, first=first) for draw in range(tries)]
            for unit in self.evidence.units
        ]
        accepted, cost, stay, asked = (np.array([[one[at] for one in row] for row in cells]) for at in range(4))
        alive, spent, on = np.ones(len(cells)), np.zeros(len(cells)), np.ones(len(cells), bool)
        blocks = []
        for draw in range(tries):
            here = on & asked[:, draw]
            spent = spent + np.where(here, alive * cost[:, draw], 0)
            alive = np.where(here, alive * (1 - accepted[:, draw]), alive)
            on = here & stay[:, draw]
            blocks.append((alive.astype(np.float32), spent.astype(np.float32)))
        return blocks

    def _from(self, start: "_Start", later: Sequence[list[tuple[Any, Any]]]) -> "_Part":
        """The cheapest order of every set that begins so."""
        np = self.np
        alive = np.ones((self.size, len(start.alive)), np.float32)
        columns = self.folds.shape[1]
        cost = np.full((self.size, columns), np.inf)
        last = np.full((self.size, columns), -1, np.int16)
        alive[start.state], cost[start.state] = start.alive, start.cost @ self.folds
        rank = (self.digits > 0).sum(1)
        begun = self.digits[:, start.place] * self.radix[start.place] == start.state if start.place >= 0 else rank >= 0
        fits = begun & (self.digits.sum(1) <= self.most)
        for level in range(1 if start.place >= 0 else 0, len(self.names)):
            parents = np.flatnonzero((rank == level) & fits)
            for place in range(len(self.names)):
                free = parents[self.digits[parents, place] == 0]
                if place == start.place or not len(free):
                    continue
                for count, (on, spent) in enumerate(later[place], 1):
                    children = free + count * self.radix[place]
                    kept = fits[children]
                    here, there = free[kept], children[kept]
                    total = cost[here] + (alive[here] * spent) @ self.folds
                    better = total < cost[there]
                    cost[there] = np.where(better, total, cost[there])
                    last[there] = np.where(better, place, last[there])
                    alive[there] = alive[here] * on
        if start.place < 0:
            cost[0] = np.inf  # no rung at all is no ladder
        return _Part(start, cost, (1 - alive) @ self._tested(), last)

    def _folds(self, seed: int) -> Any:
        """By instance: its weight in the mean of each fold's training part, and, last, in the mean of all."""
        np = self.np
        count = len(self.evidence.units)
        self.groups = _groups(self.evidence.units, np.random.default_rng(seed))
        parts = int(self.groups.max()) + 1
        inside = self.groups[:, None] != np.arange(parts)
        sizes = np.maximum(inside.sum(0), 1)
        return np.concatenate([inside / sizes, np.full((count, 1), 1 / count)], 1).astype(np.float32)

    def _tested(self) -> Any:
        """As `_folds`: the training parts' means, then the held-out parts', then all."""
        np = self.np
        outside = self.folds[:, :-1] == 0
        means = outside / np.maximum(outside.sum(0), 1)
        return np.concatenate([self.folds[:, :-1], means.astype(np.float32), self.folds[:, -1:]], 1)

    def _choose(self, cost: Any, solved: Any, budget: float | None) -> int | None:
        """The one that solves most within the budget, the cheapest of equals."""
        np = self.np
        within = np.isfinite(cost) & (cost <= (np.inf if budget is None else budget * (1 + 1e-6)))
        if not within.any():
            return None
        at = np.flatnonzero(within)
        return int(at[np.lexsort((cost[at], -np.round(solved[at], 6)))[0]])

    def _held_out(self, costs: Any, solved: Any, budget: float | None) -> float | None:
        parts = costs.shape[1] - 1
        if parts < 2:  # noqa: PLR2004  nothing to hold out
            return None
        total, weights = 0.0, self.np.bincount(self.groups)
        for fold in range(parts):
            chosen = self._choose(costs[:, fold], solved[:, fold], budget)
            if chosen is None:
                return None
            total += float(solved[chosen, parts + fold]) * int(weights[fold])
        return total / len(self.evidence.units)

    def _spec(self, part: "_Part", state: int) -> Spec:
        """Back from the last rung to the first."""
        rungs: list[tuple[str, int]] = []
        while state != part.start.state:
            place = int(part.last[state, -1])
            count = int(self.digits[state, place])
            rungs.append((self.names[place], count))
            state -= count * self.radix[place]
        if part.start.place >= 0:
            rungs.append((self.names[part.start.place], int(self.digits[state, part.start.place])))
        return tuple(reversed(rungs))

    def _count(self) -> int:
        np = self.np
        fits = self.digits.sum(1) <= self.most
        ranks = np.bincount((self.digits[fits] > 0).sum(1))
        return sum(int(sets) * factorial(rank) for rank, sets in enumerate(ranks) if rank)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a search begins: nowhere (place -1), or after a first rung with so many attempts."""

    state: int
    place: int
    alive: Any
    cost: Any


@dataclass(frozen=True, slots=True)
class _Part:
    start: _Start
    cost: Any
    solved: Any
    last: Any


def _cell(evidence: Evidence, unit: Unit, source: str, draw: int, *, first: bool) -> tuple[float, float, bool, bool]:
    """Chance to be accepted, cost, whether the rung is stayed on after a failure, whether it can be asked at all."""
    if source in evidence.known(unit).absent:
        return 0.0, 0.0, False, False
    free = not evidence.told or (first and draw == 0)
    answer = evidence.drawn(unit, source, draw) if free else evidence.likely(unit, source, draw)
    if answer is None:
        usual = evidence.usual[source]
        return usual.rate, usual.cost[1], True, True
    return float(answer.accepted), answer.cost, _stays(evidence, source, answer), True


def _stays(evidence: Evidence, source: str, answer: Answer) -> bool:
    if answer.failure is None:
        return True
    ladder = Ladder({source: evidence.sources[source]}, on=dict(evidence.on))
    return then(ladder, source, Failure(answer.failure)) is Then.RETRY


def _groups(units: Sequence[Unit], random: Any) -> Any:
    """Ten parts of the instances at random, of equal size; repeats of an instance stay together."""
    import numpy as np  # noqa: PLC0415  as above

    names = sorted({name for name, _ in units})
    parts = min(FOLDS, len(names))
    dealt = dict(
        zip((names[at] for at in random.permutation(len(names))), (at % parts for at in range(len(names))), strict=True)
    )
    return np.array([dealt[name] for name, _ in units])


def _fitting(tries: list[int], units: int) -> list[int]:
    """Fewer attempts where all sets together would not fit in memory."""
    while prod(count + 1 for count in tries) * units > MOST_NUMBERS and max(tries) > 1:
        most = max(tries)
        tries = [min(count, most - 1) for count in tries]
    return tries
