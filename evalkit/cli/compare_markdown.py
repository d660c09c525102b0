"""A comparison as Markdown: the note of its MLflow run, and report.md."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from os.path import relpath

from evalkit.cli.compare_sections import Section, levers, pair, parts, several
from evalkit.cli.compare_tables import Table, flips, heading
from evalkit.cli.tables import markdown
from evalkit.core.comparison import Comparison, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Place

FLIPS = 200  # of a comparison; flips.csv has them all
BOLD = ("conclusion", "which lever lifted")  # how lines begin that a reader looks for


def headline(
    sides: Sequence[Side], comparisons: Sequence[Comparison], places: Sequence[Place], found: Levers | None
) -> str:
    """The outcome on half a page."""
    return "\n".join(_top(sides, comparisons, places, found)) + "\n"


def report(
    sides: Sequence[Side],
    comparisons: Sequence[Comparison],
    places: Sequence[Place],
    found: Levers | None,
    files: Callable[[Comparison, Flip], tuple[str, str]],
    *,
    figures: Sequence[str] = (),
    folder: str = "",
) -> str:
    """The whole. `figures` are paths from the report; `folder` is its own, from EVALKIT_HOME, for its links."""
    told = [*_top(sides, comparisons, places, found)]
    if figures:  # as links: where a report is shown as text, as by MLflow's UI, a picture would be its mark-up
        told.append("\nfigures: " + ", ".join(f"[{_stem(path)}]({path})" for path in figures))
    for one in comparisons:
        told += _pair(one, partial(files, one), folder, several=len(comparisons) > 1)
    return "\n".join(told) + "\n"


def _top(
    sides: Sequence[Side], comparisons: Sequence[Comparison], places: Sequence[Place], found: Levers | None
) -> Iterator[str]:
    if places:
        yield "# " + ", ".join(side.summary.name for side in sides)
        yield from _written([*several(sides, comparisons, places), *levers(found)])
        return
    (one,) = comparisons
    yield f"# {one.a.summary.name} and {one.b.summary.name}"
    yield ""
    yield from (f"- {heading(side)} `{side.summary.key}`" for side in sides)
    yield from _written([*pair(one), *levers(found)])


def _pair(one: Comparison, files: Callable[[Flip], tuple[str, str]], folder: str, *, several: bool) -> Iterator[str]:
    if several:
        yield f"\n## {heading(one.a)} and {heading(one.b)}"
        yield "\nA is the first of the two, B the second."
        yield from _written(pair(one))
    yield from _written(parts(one))
    found = flips(one, files)
    shown = found.rows[:FLIPS]
    if shown:
        more = f" (the first {FLIPS} of {len(found.rows)}; flips.csv has all)" if len(found.rows) > FLIPS else ""
        links = [
            row | {name: _link(row[name], folder) for name in ("attempt_a", "attempt_b")} for row in map(dict, shown)
        ]
        yield from _table(Table(found.name, found.title + more, found.columns, links))


def _written(sections: Iterable[Section]) -> Iterator[str]:
    for one in sections:
        if isinstance(one, Table):
            yield from _table(one)
        else:
            yield f"\n**{one}**" if one.startswith(BOLD) else f"\n{one}."


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _link(path: str, folder: str) -> str:
    """To a file of EVALKIT_HOME from the report's folder, both relative to it."""
    return f"[attempt]({relpath(path, folder or '.')})"


def _table(table: Table) -> list[str]:
    return markdown(table.rows, table.columns, title=table.title)
