"""A comparison on the terminal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from shutil import get_terminal_size
from textwrap import wrap

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
from evalkit.cli.tables import show
from evalkit.core.comparison import Comparison, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Place

ROWS = 12  # of a table; the comparison's folder has them all
FLIPS = 3  # each way
WIDE = 110
WIDE_ONLY = ("model", "p_value", "matched")  # columns that a narrow terminal has no room for
INTERACTIONS = 3


def show_pair(one: Comparison) -> None:
    """Two runs: the whole of what was found, shortened."""
    for side in (one.a, one.b):
        say(f"{heading(side)} {side.summary.key}")
    _table(overview(one))
    for line in lines(one):
        say(line)
    for label, names in (("A", one.found.lost), ("B", one.found.gained)):
        if names:
            say(f"{'only' if one.found.epochs == 1 else 'more often'} {label}: {ids(names)}")
    print()
    for table in (rungs(one), failures(one), *groups(one)):
        if table.rows:
            _table(_first(table, ROWS))
    if not one.known:
        say("by tag, difficulty, repository: not recorded in these runs, which an older evalkit made")


def show_flips(one: Comparison, files: Callable[[Flip], tuple[str, str]]) -> None:
    """Where to look at what flipped: some of what only A solved, and of what only B did."""
    if not one.flips:
        return
    lost, gained = ([flip for flip in one.flips if (flip.b > flip.a) is better] for better in (False, True))
    shown = [*lost[:FLIPS], *gained[:FLIPS]]
    more = f", {len(shown)} of {len(one.flips)}" if len(shown) < len(one.flips) else ""
    say(f"instances that flip{more}: how each climb ended (rung, attempts), and its last attempt")
    for row in flips(replace(one, flips=tuple(shown)), files).rows:
        print(f"  {row['instance_id']}")
        for key in ("a", "b"):
            say(f"{key.upper()} {row[key]}: {row[f'attempt_{key}']}", before="    ")


def show_several(sides: Sequence[Side], comparisons: Sequence[Comparison], places: Sequence[Place]) -> None:
    """More than two runs: each against the baseline, then all by rank."""
    _table(runs(sides))
    _table(against(comparisons, names=False), tight=True)
    _table(ranking(places, sides))
    for line in dict.fromkeys(line for one in comparisons for line in (shows(one), *left_out(one))):
        say(line)


def show_factors(found: Levers) -> None:
    """What each factor of a sweep does; of interactions, the notable ones and the surest."""
    _table(factors(found), tight=True)
    together = interplay(found)
    notable = sum(one.notable for one in found.interactions)
    if together.rows:
        _table(_first(together, max(notable, INTERACTIONS)))
    say(lifted(found))


def _first(table: Table, most: int) -> Table:
    if len(table.rows) <= most:
        return table
    return replace(table, title=f"{table.title} (the first {most} of {len(table.rows)})", rows=table.rows[:most])


def say(line: str, *, before: str = "") -> None:
    """A line, folded between words where the terminal is narrower."""
    print(
        "\n".join(
            wrap(
                before + line, width(), subsequent_indent=before + "  ", break_long_words=False, break_on_hyphens=False
            )
        )
    )


def width() -> int:
    """Of the terminal."""
    return get_terminal_size().columns


def _table(table: Table, *, tight: bool = False) -> None:
    columns = {name: told for name, told in table.columns.items() if width() >= WIDE or name not in WIDE_ONLY}
    show(table.rows, columns, title=table.title, tight=tight)
