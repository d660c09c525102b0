"""What a comparison says and shows, in which order: for the terminal, for Markdown and for its files alike."""

from collections.abc import Iterable, Iterator, Sequence

from evalkit.cli.compare_tables import (
    Table,
    against,
    factors,
    failures,
    groups,
    interplay,
    overview,
    ranking,
    rungs,
    runs,
)
from evalkit.cli.compare_words import left_out, lifted, lines, only, shows
from evalkit.core.comparison import Comparison
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Place

Section = Table | str  # a line of its own


def pair(one: Comparison) -> Iterator[Section]:
    """Two runs beside each other, and what may be said of them."""
    yield overview(one)
    yield from lines(one)


def parts(one: Comparison) -> Iterator[Section]:
    """Where their difference comes from."""
    yield from only(one)
    for table in (rungs(one), failures(one), *groups(one)):
        if table.rows:
            yield table


def several(
    sides: Sequence[Side], comparisons: Sequence[Comparison], places: Sequence[Place], *, names: bool = True
) -> Iterator[Section]:
    """More than two runs: each against the baseline (without `names` under its label), then all by rank."""
    yield runs(sides)
    yield against(comparisons, names=names)
    yield ranking(places, sides)
    yield from dict.fromkeys(line for one in comparisons for line in (shows(one), *left_out(one)))


def levers(found: Levers | None) -> Iterator[Section]:
    """What each factor of a sweep does, alone and together; nothing for runs of no sweep."""
    if found is None:
        return
    yield factors(found)
    if found.interactions:
        yield interplay(found)
    yield lifted(found)


def tables(sections: Iterable[Section]) -> list[Table]:
    """Those of the sections that are tables."""
    return [one for one in sections if isinstance(one, Table)]
