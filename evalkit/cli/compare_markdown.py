"""A comparison as Markdown: the note of its MLflow run, and report.md."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from os.path import relpath
from typing import Any

from evalkit.cli.compare_tables import (
    Table,
    against,
    factors,
    failures,
    flips,
    groups,
    heading,
    interplay,
    overview,
    ranking,
    rungs,
    runs,
)
from evalkit.cli.compare_words import ids, left_out, lifted, lines, shows
from evalkit.cli.tables import cell
from evalkit.core.comparison import Comparison, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Place

FLIPS = 200  # of a comparison; flips.csv has them all


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
    told = [*_top(sides, comparisons, places, found), *(f"\n![{name}]({name})" for name in figures)]
    for one in comparisons:
        told += _pair(one, partial(files, one), folder, several=len(comparisons) > 1)
    return "\n".join(told) + "\n"


def _top(
    sides: Sequence[Side], comparisons: Sequence[Comparison], places: Sequence[Place], found: Levers | None
) -> Iterator[str]:
    if places:
        yield "# " + ", ".join(side.summary.name for side in sides)
        yield from _table(runs(sides))
        yield from _table(against(comparisons))
        yield from _table(ranking(places, sides))
        if found:
            yield f"\n**{lifted(found)}**"
            yield from _table(factors(found))
            yield from _table(interplay(found))
        yield from dict.fromkeys(f"\n{line}." for one in comparisons for line in (shows(one), *left_out(one)))
        return
    (one,) = comparisons
    yield f"# {one.a.summary.name} and {one.b.summary.name}"
    yield ""
    yield from (f"- {heading(side)} `{side.summary.key}`" for side in sides)
    yield from _table(overview(one))
    yield from (f"\n**{line}**" if line.startswith("conclusion") else f"\n{line}." for line in lines(one))


def _pair(one: Comparison, files: Callable[[Flip], tuple[str, str]], folder: str, *, several: bool) -> Iterator[str]:
    if several:
        yield f"\n## {heading(one.a)} and {heading(one.b)}"
        yield "\nA is the first of the two, B the second."
        yield from _table(overview(one))
        yield from (f"\n**{line}**" if line.startswith("conclusion") else f"\n{line}." for line in lines(one))
    for side, names in (("A", one.found.lost), ("B", one.found.gained)):
        yield f"\nonly {side}: {ids(names) or 'none'}"
    for table in (rungs(one), failures(one), *groups(one)):
        yield from _table(table)
    found = flips(one, files)
    shown = found.rows[:FLIPS]
    if shown:
        more = f" (the first {FLIPS} of {len(found.rows)}; flips.csv has all)" if len(found.rows) > FLIPS else ""
        links = [
            row | {name: _link(row[name], folder) for name in ("attempt_a", "attempt_b")} for row in map(dict, shown)
        ]
        yield from _table(Table(found.name, found.title + more, found.columns, links))


def _link(path: str, folder: str) -> str:
    """To a file of EVALKIT_HOME from the report's folder, both relative to it."""
    return f"[attempt]({relpath(path, folder or '.')})"


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        return
    if table.title:
        yield f"\n### {table.title}"
    yield "\n| " + " | ".join(heading or " " for heading in table.columns.values()) + " |"
    yield "|" + "---|" * len(table.columns)
    for row in table.rows:
        yield "| " + " | ".join(_cell(row.get(name)) for name in table.columns) + " |"


def _cell(value: Any) -> str:
    return cell(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
