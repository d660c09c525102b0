"""A sweep's cells side by side: ranked by solved rate, then by cost, with those that no other one beats; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from evalkit.core.factors import Cell as Factored
from evalkit.core.frontier import Point, frontier
from evalkit.core.levers import shares
from evalkit.core.stats import Interval
from evalkit.core.summary import Summary
from evalkit.core.sweep import Cell, State, factors
from evalkit.core.types import JUDGED, Status


@dataclass(frozen=True, slots=True)
class Found:
    """A cell with what its run left: settings (all, as text), MLflow id; no summary where it never ended."""

    cell: Cell
    summary: Summary | None = None
    settings: Mapping[str, str] | None = None
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the leaderboard. `rank` is None for a cell that is not complete; `price` in the board's unit."""

    rank: int | None
    cell: str
    factors: Mapping[str, str]
    key: str
    run_id: str
    status: str
    why: str
    simulated: bool
    solved: int
    judged: int
    unfinished: int
    quarantined: int
    solved_rate: Interval | None
    attempts_mean: float | None
    cost_usd: float | None
    cost_usd_per_solved: float | None
    seconds_mean: float | None
    wall_seconds: float | None
    price: float | None
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class Board:
    """`unit` is what cells are priced in: cost_usd a climb, or seconds a climb where none is known to cost anything.

    `alike`: all ranked cells were judged on the same instances.
    """

    rows: tuple[Row, ...]
    factors: tuple[str, ...]
    unit: str
    alike: bool

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The complete cells, best first."""
        return tuple(row for row in self.rows if row.rank is not None)


def leaderboard(found: Sequence[Found]) -> Board:
    """The ranked cells, best first, then those that are not complete."""
    settings = [one.settings or {} for one in found]
    choices = factors([one.cell for one in found], settings)
    unit = _unit(found)
    rows = [_row(one, chosen, unit) for one, chosen in zip(found, choices, strict=True)]
    ranked = _ranked([row for row in rows if row.status == State.COMPLETE and row.solved_rate])
    others = [row for row in rows if row.status != State.COMPLETE or not row.solved_rate]
    judged = {_judged(one.summary) for one in found if one.summary and one.cell.state is State.COMPLETE}
    return Board((*ranked, *others), tuple(choices[0]) if choices else (), unit, len(judged) <= 1)


def as_cells(found: Sequence[Found]) -> tuple[Factored, ...]:
    """The complete cells with their instances' outcomes (a share of epochs solved), for main effects."""
    complete = [one for one in found if one.cell.state is State.COMPLETE and one.summary]
    choices = factors([one.cell for one in complete], [one.settings or {} for one in complete])
    return tuple(
        Factored(chosen, *shares(one.summary)) for one, chosen in zip(complete, choices, strict=True) if one.summary
    )


def _unit(found: Sequence[Found]) -> str:
    return "cost_usd" if any(one.summary and one.summary.cost_usd for one in found) else "seconds"


def _row(found: Found, chosen: Mapping[str, str], unit: str) -> Row:
    cell, summary = found.cell, found.summary
    counts = summary.counts if summary else {}
    solved, judged = counts.get(Status.SOLVED, 0), counts.get(Status.SOLVED, 0) + counts.get(Status.UNSOLVED, 0)
    return Row(
        rank=None,
        cell=cell.name,
        factors=chosen,
        key=cell.key,
        run_id=found.run_id,
        status=str(cell.state),
        why=cell.why,
        simulated=bool(summary and summary.simulated),
        solved=solved,
        judged=judged,
        unfinished=counts.get(Status.UNFINISHED, 0),
        quarantined=counts.get(Status.QUARANTINED, 0),
        solved_rate=summary.solved_rate if summary else None,
        attempts_mean=_number(summary.attempts["mean"]) if summary else None,
        cost_usd=summary.cost_usd if summary else None,
        cost_usd_per_solved=summary.cost_usd_per_solved if summary else None,
        seconds_mean=summary.seconds["mean"] if summary else None,
        wall_seconds=summary.wall_seconds if summary else None,
        price=_price(summary, judged, unit) if summary else None,
        on_frontier=False,
    )


def _price(summary: Summary, judged: int, unit: str) -> float | None:
    if unit == "seconds":
        return summary.seconds["mean"]
    return summary.cost_usd / judged if summary.cost_usd is not None and judged else None


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Best first; equal ranks for what is equal in both."""
    priced = [
        Point(row.cell, row.price, row.solved_rate.value) for row in rows if row.price is not None and row.solved_rate
    ]
    best = {point.name for point in frontier(priced) if point.solved}  # who solves nothing is cheapest, and no choice
    ordered = sorted(rows, key=lambda row: (*_standing(row), inf if row.price is None else row.price))
    places: dict[tuple[float, float], int] = {}
    for place, row in enumerate(ordered, 1):
        places.setdefault(_standing(row), place)
    return [replace(row, rank=places[_standing(row)], on_frontier=row.cell in best) for row in ordered]


def _standing(row: Row) -> tuple[float, float]:
    """What gives the rank; seconds do not, since they differ by chance."""
    return -row.solved_rate.value if row.solved_rate else 0.0, inf if row.cost_usd is None else row.cost_usd


def _judged(summary: Summary) -> frozenset[tuple[str, int]]:
    return frozenset((row.instance_id, row.epoch) for row in summary.instances if row.status in JUDGED)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
