"""The same rows as a table for people, or as JSON or CSV for programs."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.core.shown import csv_cell, visible

FORMATS = ("table", "json", "csv")


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    title: str = "",
    form: str = "table",
    tight: bool = False,
) -> None:
    """Print rows. `columns` maps a row's key to its heading; JSON prints the rows whole; `tight` for many columns."""
    if form == "json":
        print(json.dumps(list(rows), indent=2, default=str))
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([csv_cell(row.get(key)) for key in columns] for row in rows)  # None: an empty field
    else:
        _table(rows, columns, title, tight=tight)


def cell(value: Any) -> str:
    """A value as a person reads it; unknown is a dash, never a zero."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return visible(str(value))


def markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, title: str = "") -> list[str]:
    """The rows as a Markdown table, after an empty line; nothing where there are none."""
    if not rows:
        return []
    lines = [" | ".join(heading or " " for heading in columns.values()), "|".join(["---"] * len(columns))]
    lines += [" | ".join(_escaped(row.get(name)) for name in columns) for row in rows]
    return [*([f"\n### {title}"] if title else []), "", *(f"| {line} |" for line in lines)]


def _escaped(value: Any) -> str:
    return cell(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def counted(number: int, noun: str) -> str:
    """`1 instance`, `2 instances`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str, *, tight: bool) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  rich costs 60 ms, which `--format json` need not pay
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if title:  # not the table's own, which is wrapped to the table's width
        console.print(Text(title, style="italic"))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0) if tight else (0, 1), pad_edge=not tight)
    for heading in columns.values():
        table.add_column(Text(heading), overflow="fold")  # a name may hold what rich takes for markup
    for row in rows:
        table.add_row(*(Text(cell(row.get(key))) for key in columns))
    console.print(table)
