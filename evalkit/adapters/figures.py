"""Figures of comparisons as SVG or PNG (by the file's ending): uplifts, rates by rung, outcomes, cost against solved.

Colours are Okabe and Ito's, which differ also for the colour-blind. The same values give the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.core.frontier import Point, frontier
from evalkit.core.stats import Interval

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
BETTER, WORSE, UNCLEAR, INK = "#0072B2", "#D55E00", "#767676", "#333333"
ROWS = 40  # instances that a grid shows
NAME = 34  # characters of a name
LOOK = {
    "svg.hashsalt": "evalkit",  # else each file has ids of its own
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file is a fifth of the size
    "font.family": "DejaVu Sans",  # comes with matplotlib; a browser without it takes its own
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, slots=True)
class Uplift:
    """One line of a forest plot: rates or differences of rates, as shares; `note` stands beside it."""

    name: str
    interval: Interval
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run: its solved rate, and the share of instances that each rung solved, in climbing order."""

    name: str
    rate: Interval
    rungs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Priced:
    """One run: US dollars an instance (any unit, the same for all) and its solved rate."""

    name: str
    cost: float
    rate: Interval


def uplifts(path: Path, rows: Sequence[Uplift], *, title: str, label: str = "uplift, percentage points") -> None:
    """A forest plot: each difference with its interval, against the line of no difference."""
    with _figure(path, height=1.3 + 0.36 * len(rows)) as axes:
        for place, row in enumerate(rows):
            one = row.interval
            colour = BETTER if one.low > 0 else WORSE if one.high < 0 else UNCLEAR
            axes.plot([100 * one.low, 100 * one.high], [place, place], color=colour, linewidth=2)
            axes.plot([100 * one.value], [place], "o", color=colour, markersize=6)
            axes.annotate(
                row.note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK
            )
        axes.axvline(0, color=INK, linewidth=1, linestyle=":")
        _names(axes, [row.name for row in rows])
        axes.set_xlabel(f"{label} (95 % interval)")
        axes.set_title(title, loc="left", fontsize=11)


def rates(path: Path, bars: Sequence[Bar], *, title: str) -> None:
    """A bar a run, its parts the rungs that solved; the whisker is the 95 % interval of the whole."""
    colours = _colours(name for bar in bars for name in bar.rungs)
    with _figure(path, height=1.6 + 0.45 * len(bars)) as axes:
        for place, bar in enumerate(bars):
            left = 0.0
            for name, share in bar.rungs.items() or [("", bar.rate.value)]:
                axes.barh(place, 100 * share, left=left, height=0.6, color=colours.get(name, UNCLEAR))
                left += 100 * share
            spread = [[100 * (bar.rate.value - bar.rate.low)], [100 * (bar.rate.high - bar.rate.value)]]
            axes.errorbar([100 * bar.rate.value], [place], xerr=spread, color=INK, capsize=4, linewidth=1.3)
            axes.annotate(
                f"{bar.rate.value:.0%}".replace("%", " %"),
                (1.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
            )
        _names(axes, [bar.name for bar in bars])
        axes.set_xlim(0, 100)
        axes.set_xlabel("solved, % (95 % interval)")
        axes.set_title(title, loc="left", fontsize=11)
        _legend(axes, colours)


def outcomes(path: Path, columns: Sequence[str], rows: Mapping[str, Sequence[float | None]], *, title: str) -> None:
    """A grid of the instances on which runs differ: filled where solved, None (not judged) grey.

    At most `ROWS` instances are drawn; the title says of how many.
    """
    shown = dict(list(rows.items())[:ROWS])
    cut = f" (the first {len(shown)} of {len(rows)})" if len(shown) < len(rows) else ""
    with _figure(path, height=1.5 + 0.24 * len(shown), width=4.6 + 0.9 * len(columns)) as axes:
        for down, shares in enumerate(shown.values()):
            for across, share in enumerate(shares):
                face = "#dddddd" if share is None else BETTER if share > 0 else "white"
                alpha = 1.0 if share is None or share <= 0 else 0.25 + 0.75 * share
                axes.add_patch(_cell(across, down, face, alpha))
        axes.set_xlim(-0.5, len(columns) - 0.5)
        _names(axes, list(shown))
        axes.set_xticks(range(len(columns)), [_short(name, 14) for name in columns])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_title(f"{title}{cut}: blue is solved", loc="left", fontsize=11, pad=24)


def costs(path: Path, runs: Sequence[Priced], *, title: str, label: str = "US dollars an instance") -> None:
    """Cost against solved rate, with the frontier: the runs that no other one beats."""
    best = frontier(Point(run.name, run.cost, run.rate.value) for run in runs)
    with _figure(path, height=4.6) as axes:
        axes.plot(
            [point.cost for point in best],
            [100 * point.solved for point in best],
            drawstyle="steps-post",
            color="#999999",
            linewidth=1.2,
            linestyle="--",
        )
        for run in runs:
            colour = BETTER if run.name in {point.name for point in best} else UNCLEAR
            value, low, high = (100 * one for one in (run.rate.value, run.rate.low, run.rate.high))
            axes.errorbar(
                [run.cost], [value], yerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=3, alpha=0.9
            )
            axes.annotate(
                _short(run.name), (run.cost, value), xytext=(7, 5), textcoords="offset points", fontsize=9, color=INK
            )
        axes.set_ylim(0, 102)
        axes.set_xlim(0, 1.2 * max(run.cost for run in runs) or 1.0)  # room for the last name
        axes.set_xlabel(label)
        axes.set_ylabel("solved, % (95 % interval)")
        axes.set_title(f"{title}: blue runs are beaten by none", loc="left", fontsize=11)


@contextmanager
def _figure(path: Path, *, height: float, width: float = 8.0) -> Iterator[Any]:
    """Axes to draw on, `width` by `height` inches; saved when the block ends."""
    from matplotlib import rc_context  # noqa: PLC0415  0.4 s, which only pictures need
    from matplotlib.figure import Figure  # noqa: PLC0415  no pyplot: nothing is global, no window is looked for

    with rc_context(LOOK):
        figure = Figure(figsize=(width, height), layout=_laid_out_once())
        axes = figure.add_subplot()
        yield axes
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=metadata, dpi=120)


def _laid_out_once() -> Any:
    """Matplotlib lays out before it saves and again while it saves: the same, and half of a figure's time."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415  as above

    class Once(ConstrainedLayoutEngine):
        def execute(self, fig: Any) -> Any:
            if not vars(self).setdefault("done", False):
                vars(self)["done"] = True
                return super().execute(fig)
            return None

    return Once()


def _names(axes: Any, names: Sequence[str]) -> None:
    """One line each, the first on top."""
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)


def _colours(names: Iterator[str] | Sequence[str]) -> dict[str, str]:
    known = dict.fromkeys(names)
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(known)}


def _legend(axes: Any, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415  as above

    if colours:
        axes.legend(
            handles=[Patch(color=colour, label=_short(name)) for name, colour in colours.items()],
            loc="upper center",
            bbox_to_anchor=(0.45, -0.32),
            ncols=min(4, len(colours)),
            frameon=False,
            title="solved by rung",
        )


def _cell(across: int, down: int, face: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle  # noqa: PLC0415  as above

    return Rectangle((across - 0.46, down - 0.42), 0.92, 0.84, facecolor=face, alpha=alpha, edgecolor="#999999")


def _short(name: str, most: int = NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
