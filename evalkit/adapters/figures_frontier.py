"""The cost-quality frontier as a picture: what each ladder costs and solves, the worthwhile ones named."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalkit.core.frontier import Point

SIZE = (8.0, 5.2)  # inches
INK, LINE, FAINT = "#1f2328", "#0b63ce", "#c3c9d1"
GAPS = (6, 14, 26, 42, 62, 86, 114)  # points between a mark and its label, nearest first
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
    renderer = canvas.get_renderer()
    taken = [_around(axes, one) for one in points]
    taken += _along(axes)
    inside = axes.get_window_extent(renderer)
    for point in sorted(points, key=lambda one: (-one.solved, one.cost)):
        label = None
        for offset, sides in _places():
            label = axes.annotate(
                point.name,
                (point.cost, point.solved),
                offset,
                textcoords="offset points",
                fontsize=8,
                color=INK,
                arrowprops={"arrowstyle": "-", "color": "#8a929c", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
                if max(map(abs, offset)) > GAPS[1]
                else None,
                zorder=5,
                **sides,
            )
            box = label.get_window_extent(renderer) if label.arrow_patch is None else _text_box(label, renderer)
            if (
                inside.x0 <= box.x0
                and box.x1 <= inside.x1
                and inside.y0 <= box.y0
                and box.y1 <= inside.y1
                and not any(box.overlaps(other) for other in taken)
            ):
                taken.append(box)
                break
            label.remove()
            label = None


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


def _text_box(label: Any, renderer: Any) -> Any:
    """The text's own box, without the line to its mark."""
    from matplotlib.text import Text  # noqa: PLC0415  as above

    label.update_positions(renderer)
    return Text.get_window_extent(label, renderer)


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
