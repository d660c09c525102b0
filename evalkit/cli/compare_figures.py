"""A comparison's figures, drawn into its folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.adapters.figures import Bar, Priced, Uplift, costs, outcomes, rates, uplifts
from evalkit.cli.compare_words import points
from evalkit.core.breakdown import Group
from evalkit.core.comparison import Comparison
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.types import JUDGED

PARTS = 12  # of each kind of group


def draw(folder: Path, sides: Sequence[Side], comparisons: Sequence[Comparison], found: Levers | None) -> list[str]:
    """Write figures/*.svg; their paths within the folder."""
    made: dict[str, Callable[[Path], None]] = {
        "uplift": lambda path: _uplift(path, comparisons),
        "rates": lambda path: _rates(path, sides),
    }
    if any(one.flips for one in comparisons):
        made["flips"] = lambda path: _flips(path, sides, comparisons)
    if all(side.summary.cost_usd is not None for side in sides) and any(side.summary.cost_usd for side in sides):
        made["costs"] = lambda path: _costs(path, sides)
    if found:
        made["factors"] = lambda path: _factors(path, found)
    for name, figure in made.items():
        figure(folder / "figures" / f"{name}.svg")
    return [f"figures/{name}.svg" for name in made]


def _uplift(path: Path, comparisons: Sequence[Comparison]) -> None:
    first = comparisons[0]
    if len(comparisons) > 1:
        rows = [
            Uplift(f"{one.b.label} {one.b.summary.name}", one.found.uplift, points(one.found.uplift.value))
            for one in comparisons
        ]
        uplifts(path, rows, title=f"against {first.a.label} {first.a.summary.name}")
        return
    rows = [Uplift(f"all {first.found.instances}", first.found.uplift, points(first.found.uplift.value))]
    if first.clustered is not None:
        rows.append(Uplift("all, clustered", first.clustered.uplift))
    for what, parts in (("", first.difficulties), ("", first.tags), ("", first.clusters)):
        rows += _parts(what, parts)
    uplifts(path, rows, title=f"A {first.a.summary.name} → B {first.b.summary.name}: uplift")


def _factors(path: Path, found: Levers) -> None:
    rows = [
        Uplift(f"{one.factor}: {one.baseline} → {one.level}", one.effect, points(one.effect.value))
        for one in found.effects
    ]
    uplifts(path, rows, title=f"What each factor does, over {found.cells} cells")


def _parts(what: str, parts: Sequence[Group]) -> list[Uplift]:
    shown = [part for part in parts if part.uplift is not None] if len(parts) > 1 else []
    return [
        Uplift(f"{what}{part.name} ({part.instances})", part.uplift, points(part.uplift.value))
        for part in shown[:PARTS]
        if part.uplift is not None
    ]


def _rates(path: Path, sides: Sequence[Side]) -> None:
    bars = [
        Bar(f"{side.label} {side.summary.name}", side.summary.solved_rate, _by_rung(side))
        for side in sides
        if side.summary.solved_rate is not None
    ]
    rates(path, bars, title="Solved, by the rung that did")


def _by_rung(side: Side) -> dict[str, float]:
    """Each rung's part of the solved rate; an instance's repeats count as its share."""
    rows = [row for row in side.summary.instances if row.status in JUDGED]
    repeats: dict[str, int] = {}
    for row in rows:
        repeats[row.instance_id] = repeats.get(row.instance_id, 0) + 1
    parts = dict.fromkeys((rung.name for rung in side.summary.by_rung), 0.0)
    for row in rows:
        if row.solved and row.rung in parts:
            parts[row.rung] += 1 / repeats[row.instance_id] / len(repeats)
    return parts


def _flips(path: Path, sides: Sequence[Side], comparisons: Sequence[Comparison]) -> None:
    differ = dict.fromkeys(sorted(flip.instance_id for one in comparisons for flip in one.flips))
    solved = [_shares(side) for side in sides]
    rows = {name: [one.get(name) for one in solved] for name in differ}
    ordered = dict(sorted(rows.items(), key=lambda item: [-(share or 0.0) for share in item[1]]))
    outcomes(path, [f"{side.label} {side.summary.name}" for side in sides], ordered, title="Instances that flip")


def _shares(side: Side) -> dict[str, float]:
    climbs: dict[str, list[bool]] = {}
    for row in side.summary.instances:
        if row.status in JUDGED:
            climbs.setdefault(row.instance_id, []).append(row.solved)
    return {name: sum(each) / len(each) for name, each in climbs.items()}


def _costs(path: Path, sides: Sequence[Side]) -> None:
    priced = [
        Priced(f"{side.label} {side.summary.name}", cost / len(side.summary.instances), rate)
        for side in sides
        if (cost := side.summary.cost_usd) is not None and (rate := side.summary.solved_rate) is not None
    ]
    costs(path, priced, title="Cost and solved rate")
