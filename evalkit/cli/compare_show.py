"""A comparison on the terminal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from shutil import get_terminal_size
from textwrap import wrap

from evalkit.cli.compare_sections import Section, levers, pair, parts, several
from evalkit.cli.compare_tables import Table, flips, heading
from evalkit.cli.tables import show
from evalkit.core.comparison import Comparison, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Place

ROWS = 12  # of a table that may be long; the comparison's folder has them all
FLIPS = 3  # each way
WIDE = 110
WIDE_ONLY = ("model", "p_value", "matched")  # columns that a narrow terminal has no room for
TIGHT = ("against", "factors")  # tables that need all the room there is
INTERACTIONS = 3


def show_pair(one: Comparison) -> None:
    """Two runs: the whole of what was found, shortened."""
    for side in (one.a, one.b):
        say(f"{heading(side)} {side.summary.key}")
    _show(pair(one))
    _show(parts(one), most=ROWS)
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
    """More than two runs."""
    _show(several(sides, comparisons, places, names=False))


def show_levers(found: Levers) -> None:
    """Of a sweep; of how factors act together, the notable ones and the surest."""
    together = max(sum(one.notable for one in found.interactions), INTERACTIONS)
    for one in levers(found):
        _show([one], most=together if isinstance(one, Table) and one.name == "interactions" else None)


def _show(sections: Iterable[Section], most: int | None = None) -> None:
    for one in sections:
        if isinstance(one, str):
            say(one)
        else:
            _table(one if most is None else _first(one, most))


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


def _table(table: Table) -> None:
    columns = {name: told for name, told in table.columns.items() if width() >= WIDE or name not in WIDE_ONLY}
    show(table.rows, columns, title=table.title, tight=table.name in TIGHT)
