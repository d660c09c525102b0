"""The cost-quality frontier as a picture: what each ladder costs and solves, the worthwhile ones named."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalkit.core.frontier import Point

SIZE = (8.0, 5.2)  # inches
INK, LINE, FAINT = "#1f2328", "#0b63ce", "#c3c9d1"
GAPS = (6, 14, 26, 42, 62, 86, 114)  # points between a mark and its label, nearest first
NEAR = 14  # points: a label within them needs no line to its mark
WAYS = ((1, 0), (1, -1), (-1, 1), (1, 1), (-1, -1), (0, -1), (0, 1), (-1, 0))
WIDE = 30  # times: costs so far apart would lie on top of each other
MOST_DOTS = 4000  # of the cloud


def draw_frontier(
    paths: Sequence[Path],
    points: Sequence[Point],
    *,
    frontier: Sequence[str],
    cloud: Sequence[tuple[float, float]] = (),
    unit: str,
    title: str,
) -> None:
    """Draw `points` (named), the line through those of `frontier`, and a cloud of others; one file a path.

    A path's ending chooses the format (`.png`, `.svg`). Costs are in `unit`, rates from 0 to 1. Raises OSError.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  costs 0.3 s, for pictures alone
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    figure = Figure(figsize=SIZE, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    _marks(axes, points, [one for one in points if one.name in frontier], _thinned(cloud))
    costs = [one.cost for one in points] + [cost for cost, _ in cloud]
    if min(costs) > 0 and max(costs) > WIDE * min(costs):
        axes.set_xscale("log")
        unit += " (logarithmic)"
    axes.set(title=title, xlabel=unit, ylabel="solved")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e8ebef", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.14, y=0.14)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)  # below: no mark lies under it
    canvas.draw()
    figure.set_layout_engine("none")  # labels are placed by pixels: nothing may move afterwards
    _name(axes, canvas, points)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)


def _marks(axes: Any, points: Sequence[Point], line: Sequence[Point], cloud: Sequence[tuple[float, float]]) -> None:
    if cloud:
        axes.scatter(*zip(*cloud, strict=True), s=7, color=FAINT, linewidths=0, label="other ladders", rasterized=True)
    others = [one for one in points if one not in line]
    if others:
        axes.scatter(
            [one.cost for one in others],
            [one.solved for one in others],
            s=34,
            facecolors="white",
            edgecolors=INK,
            label="alone, as run, or asked for",
            zorder=3,
        )
    ordered = sorted(line, key=lambda one: one.cost)
    axes.step(
        [one.cost for one in ordered],
        [one.solved for one in ordered],
        where="post",
        color=LINE,
        linewidth=1.4,
        zorder=2,
    )
    axes.scatter(
        [one.cost for one in ordered], [one.solved for one in ordered], s=40, color=LINE, label="frontier", zorder=4
    )


def _thinned(cloud: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    unique = sorted({(round(cost, 9), round(solved, 6)) for cost, solved in cloud})
    return unique[:: max(1, -(-len(unique) // MOST_DOTS))]


def _name(axes: Any, canvas: Any, points: Sequence[Point]) -> None:
    """Label every point at the nearest place that is free; a label far from its mark gets a thin line to it."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415  as above

    marks = [*(_around(axes, one) for one in points), *_along(axes)]
    names: list[Any] = []
    leaders: list[Any] = []
    look = {"fontsize": 8, "color": INK, "zorder": 5, "path_effects": [withStroke(linewidth=2, foreground="white")]}
    for point in sorted(points, key=lambda one: (-one.solved, one.cost)):
        label = axes.annotate(point.name, (point.cost, point.solved), (0, 0), textcoords="offset points", **look)
        size = label.get_window_extent(canvas.get_renderer())
        label.remove()
        found = _free(axes, point, (size.width, size.height), marks=marks, names=names, leaders=leaders)
        if found is None:  # no room: the table names it
            continue
        offset, sides, box, leader = found
        names.append(box)
        leaders.append(leader)
        line = {"arrowstyle": "-", "color": "#8a929c", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
        arrow = line if max(map(abs, offset)) > NEAR else None
        place = (point.cost, point.solved)
        axes.annotate(point.name, place, offset, textcoords="offset points", arrowprops=arrow, **sides, **look)


def _free(
    axes: Any,
    point: Point,
    size: tuple[float, float],
    *,
    marks: Sequence[Any],
    names: Sequence[Any],
    leaders: Sequence[Any],
) -> tuple[tuple[float, float], dict[str, str], Any, Any] | None:
    """The nearest place for a label: offset in points, its sides, its box in pixels, the line to its mark."""
    from matplotlib.path import Path as Line  # noqa: PLC0415  as above

    inside, pixels = axes.get_window_extent(), axes.figure.dpi / 72
    x, y = axes.transData.transform((point.cost, point.solved))
    for (right, up), sides in _places():
        anchor = (x + right * pixels, y + up * pixels)
        box = _box(anchor, size, sides)
        if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
            continue
        leader = Line([(x, y), anchor])
        crossed = any(box.overlaps(other) for other in (*marks, *names))
        crossed = crossed or any(leader.intersects_bbox(other) for other in names)
        if not crossed and not any(other.intersects_bbox(box) for other in leaders):
            return (right, up), sides, box, leader
    return None


def _box(anchor: tuple[float, float], size: tuple[float, float], sides: dict[str, str]) -> Any:
    from matplotlib.transforms import Bbox  # noqa: PLC0415  as above

    left = anchor[0] - size[0] * {"left": 0, "center": 0.5, "right": 1}[sides["ha"]]
    low = anchor[1] - size[1] * {"bottom": 0, "center": 0.5, "top": 1}[sides["va"]]
    return Bbox.from_bounds(left, low, *size)


def _along(axes: Any) -> list[Any]:
    """The parts of the line that labels must not cross."""
    from matplotlib.transforms import Bbox  # noqa: PLC0415  as above

    boxes = []
    for line in axes.lines:
        corners = axes.transData.transform(line.get_path().interpolated(1).vertices)
        for (x, y), (to_x, to_y) in pairwise(corners):
            for left, right, low, high in ((x, to_x, y, y), (to_x, to_x, min(y, to_y), max(y, to_y))):
                boxes.append(Bbox.from_extents(left, low - 1, right + 1, high + 1))
    return boxes


def _places() -> Iterator[tuple[tuple[float, float], dict[str, str]]]:
    for gap in GAPS:
        for right, up in WAYS:
            sides = {
                "ha": {1: "left", 0: "center", -1: "right"}[right],
                "va": {1: "bottom", 0: "center", -1: "top"}[up],
            }
            yield (right * gap, up * gap), sides


def _around(axes: Any, point: Point) -> Any:
    from matplotlib.transforms import Bbox  # noqa: PLC0415  as above

    x, y = axes.transData.transform((point.cost, point.solved))
    return Bbox.from_extents(x - 6, y - 6, x + 6, y + 6)
