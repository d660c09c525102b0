"""What a sweep came to: the leaderboard, the frontier, main effects, and what to do next."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec

from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.sweep_folder import SweepFolder
from evalkit.cli.runs_of import told
from evalkit.cli.sweep import effects
from evalkit.cli.tables import cell, counted, markdown, show
from evalkit.core.errors import StorageError
from evalkit.core.leaderboard import Board, Found, Row, leaderboard
from evalkit.core.shown import csv_cell, visible
from evalkit.core.stats import Interval
from evalkit.core.sweep import Cell, State, status
from evalkit.places import mlruns

CSV = (
    "rank", "cell", "key", "run_id", "status", "simulated", "solved", "judged", "unfinished", "quarantined",
    "solved_rate", "solved_rate_low", "solved_rate_high", "attempts_mean", "cost_usd", "cost_usd_per_solved",
    "seconds_mean", "wall_seconds", "on_frontier", "why",
)  # fmt: skip
UNITS = {"cost_usd": "US dollars an instance", "seconds": "seconds an instance"}
LEFT_OUT = ("seconds", "attempts", "cost")  # columns, in this order, where the terminal is too narrow
LABEL = 34  # characters that a picture shows of a name
BROKEN = {"attempts": "at-\ntempts", "rate, 95 %": "rate, 95 %"}  # headings that break where others would not
GAP = 2  # blanks between columns
MOST_FACTORS = 3  # columns of their own; more are one column
KEY = 8  # characters of a run's key: a prefix that is taken for the whole
FRONTIER = "◆"


class SweepBoard:
    """Read from the sweep's folder and the folders of its runs, whoever ran them."""

    def __init__(self, folder: SweepFolder, name: str, where: str) -> None:
        self._folder, self._name, self._where = folder, name, where
        self._cells = folder.cells()
        self._found = [_found(cell) for cell in self._cells]
        self.board: Board = leaderboard(self._found)

    @property
    def status(self) -> str:
        """As a run's summary says it."""
        return status(self._cells)

    @property
    def simulated(self) -> bool:
        """Whether any cell's answers are scripted or replayed (invariant 8)."""
        return any(row.simulated for row in self.board.rows)

    @property
    def best(self) -> Row | None:
        """The cell on top."""
        return self.board.ranked[0] if self.board.ranked else None

    @property
    def tags(self) -> dict[str, str]:
        """For the summary run."""
        best = self.best
        return {"evalkit.best": best.cell, "evalkit.best_run": best.run_id or best.key} if best else {}

    @property
    def note(self) -> str:
        """Markdown for the summary run's page in MLflow's UI, which hides most of what follows its first lines."""
        first = f"**Sweep {self._name}**: {self._counts()}."
        if self.simulated:
            first = f"**Simulated:** scripted or replayed answers, no live model. {first}"
        if best := self.best:
            row = _shown(best)
            first += f" Best: `{best.cell}`, {row['solved']} solved, {row['rate']}."
        table = markdown([_shown(row) for row in self.board.ranked], self._columns())
        more = [*self._notes(), *(visible(line) for line in self._others())]
        more.append(f"`evalkit compare --sweep {self._folder.path.name}` says which differences are real.")
        return "\n".join([first, *table, *(f"\n{line}" for line in more)]) + "\n"

    @property
    def metrics(self) -> dict[str, float]:
        """For the summary run: of all cells, and the best one's rate."""
        cells = {"cells": len(self._cells)} | {
            f"cells_{state}": sum(cell.state == state for cell in self._cells)
            for state in (State.COMPLETE, State.FAILED)
        }
        costs = [row.cost_usd for row in self.board.rows if row.wall_seconds is not None]  # others never spent anything
        seconds = [row.wall_seconds or 0.0 for row in self.board.rows]
        found: dict[str, float | None] = {
            **cells,
            "cost_usd": None if None in costs else sum(cost or 0.0 for cost in costs),
            "wall_seconds": sum(seconds),
        }
        if self.best and (rate := self.best.solved_rate):
            found |= {"solved_rate": rate.value, "solved_rate_low": rate.low, "solved_rate_high": rate.high}
            found |= {"solved": self.best.solved, "unsolved": self.best.judged - self.best.solved}
            found |= {"attempts_mean": self.best.attempts_mean}
        return {name: float(value) for name, value in found.items() if value is not None}

    def write(self) -> None:
        """Leave the tables and the picture in the sweep's folder."""
        rows = [_flat(row) for row in self.board.rows]
        text = io.StringIO()
        columns = [*self.board.factors, *CSV]
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
        self._folder.write("leaderboard.csv", text.getvalue().encode())
        self._folder.write("leaderboard.json", self._json().encode())
        table = {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}
        new = json.dumps(table, indent=1).encode()
        if not self._folder.says("leaderboard_table.json", new):  # else the same cells ended the same
            self._draw()
            effects.write(self._folder, self._found)
        self._folder.write("leaderboard_table.json", new)

    def print(self, form: str) -> None:
        """The leaderboard as table, JSON or CSV; the rest with the table only."""
        if form == "json":
            print(self._json())
        elif form == "csv":
            print((self._folder.path / "leaderboard.csv").read_text(encoding="utf-8"), end="")
        else:
            self._table()

    def _json(self) -> str:
        return json.dumps([asdict(row) for row in self.board.rows], indent=2)

    def _draw(self) -> None:
        priced = [row for row in self.board.ranked if row.price is not None and row.solved_rate]
        if not priced:
            return
        from evalkit.adapters.figures import Priced, costs  # noqa: PLC0415  matplotlib takes 0.4 s

        points = [Priced(_label(row), row.price or 0.0, row.solved_rate or Interval(0, 0, 0)) for row in priced]
        costs(self._folder.path / "frontier.png", points, title=f"sweep {self._name}", label=UNITS[self.board.unit])

    def _table(self) -> None:
        mark = "  [simulated: no live model answered]" if self.simulated else ""
        print(f"\nsweep {self._name}  {self._where}{mark}")
        print(self._counts())
        if self.board.ranked:
            rows = [_shown(row) for row in self.board.ranked]
            show(rows, fitting(self._columns(), rows, free=self.board.unit != "cost_usd"), tight=True)
            for line in self._notes():
                print(line)
        for line in self._others():
            print(line)
        effects.table(effects.read(self._folder))
        for line in self._next():
            print(line)

    def _counts(self) -> str:
        by = {state: sum(cell.state is state for cell in self._cells) for state in State}
        return f"{counted(len(self._cells), 'cell')}: " + ", ".join(f"{n} {state}" for state, n in by.items() if n)

    def _columns(self) -> dict[str, str]:
        names = self.board.factors
        chosen = {f"factor.{name}": name for name in names} if len(names) <= MOST_FACTORS else {"cell": "cell"}
        columns = {"rank": "#", **chosen, "solved": "solved", "rate": "rate, 95 %", "attempts": "attempts"}
        return columns | {"cost": "cost", "seconds": "s each", "run": "run"}

    def _notes(self) -> Iterator[str]:
        if any(row.on_frontier for row in self.board.ranked):
            price = "money" if self.board.unit == "cost_usd" else "time (no cell is known to cost money)"
            yield f"{FRONTIER} on the cost-quality frontier: no other cell solves as much for less {price}"
        if not self.board.alike:
            yield "cells were judged on different instances, so ranks do not compare like with like"

    def _others(self) -> Iterator[str]:
        for row in self.board.rows:
            if row.rank is None:
                yield f"{row.status}: {row.cell}" + (f": {row.why}" if row.why else "")

    def _next(self) -> Iterator[str]:
        if self.status != "complete":
            failed = any(cell.state is State.FAILED for cell in self._cells)
            yield (
                "next: "
                + ("mend what failed; the same command then does" if failed else "the same command does")
                + " the rest"
            )
        if len(self.board.ranked) > 1:
            first, second = (row.key[:KEY] for row in self.board.ranked[:2])
            lead = "next:" if self.status == "complete" else "     "
            yield f"{lead} evalkit compare {second} {first}   (is the best better than the second?)"
            yield f"      evalkit compare --sweep {self._folder.path.name}   (all cells, and what each factor does)"
        if self.best and not self.best.simulated and self.best.solved_rate and self.best.solved_rate.value > 0:
            yield f"      evalkit register {self.best.key[:KEY]} --name {self._name} --alias champion"


def _label(row: Row) -> str:
    """Of a point in the picture: where many lie close together, the rank is all there is room for."""
    if not row.on_frontier:
        return f"#{row.rank}"
    whole = f"#{row.rank} " + " ".join(f"{name}={value}" for name, value in row.factors.items())
    return whole if len(whole) <= LABEL else f"#{row.rank} {', '.join(row.factors.values())}"


def _found(cell: Cell) -> Found:
    if not cell.key:
        return Found(cell)
    folder = mlruns() / "runs" / cell.key
    try:
        summary = RunFolder(folder).summary()
    except StorageError:
        summary = None
    try:
        params = msgspec.json.decode((folder / "record.json").read_bytes())["params"]
    except (OSError, msgspec.DecodeError, KeyError):
        params = {}
    return Found(cell, summary, params, told(folder, "published.json", "run_id"))


def _flat(row: Row) -> dict[str, Any]:
    rate = row.solved_rate
    bounds = {
        "solved_rate": rate and rate.value,
        "solved_rate_low": rate and rate.low,
        "solved_rate_high": rate and rate.high,
    }
    return {**row.factors, **asdict(row), **bounds}


def fitting(columns: dict[str, str], rows: list[dict[str, Any]], *, free: bool) -> dict[str, str]:
    """The columns that the terminal has room for: headings are broken first, and where all is `free` the cost goes."""
    if _fits(columns, rows):
        return columns
    kept = {name: _broken(heading) for name, heading in columns.items()}
    for name in ("cost", *LEFT_OUT) if free else LEFT_OUT:
        if _fits(kept, rows):
            break
        kept.pop(name, None)
    return kept


def _fits(columns: dict[str, str], rows: list[dict[str, Any]]) -> bool:
    widths = [
        max(*map(len, heading.split("\n")), *(len(cell(row.get(name))) for row in rows))
        for name, heading in columns.items()
    ]
    return sum(widths) + GAP * len(widths) <= shutil.get_terminal_size().columns


def _broken(heading: str) -> str:
    """Over several lines: `script.` above `attempts`."""
    return BROKEN.get(heading) or re.sub(r"([._ ])(?=\w)", r"\1\n", heading)


def _shown(row: Row) -> dict[str, Any]:
    from evalkit.cli.outcome import money, rate  # noqa: PLC0415  rich is needed only now

    troubles = "".join(f" +{n} {name}" for name, n in (("quarantined", row.quarantined),) if n)
    return {
        **{f"factor.{name}": value for name, value in row.factors.items()},
        "cell": row.cell,
        "rank": f"{row.rank} {FRONTIER}" if row.on_frontier else str(row.rank),
        "solved": f"{row.solved}/{row.judged}{troubles}",
        "rate": rate(row.solved_rate).replace(" %–", "–").replace(" %)", ")"),
        "attempts": None if row.attempts_mean is None else f"{row.attempts_mean:.2f}",
        "cost": money(row.cost_usd),
        "seconds": None if row.seconds_mean is None else f"{row.seconds_mean:.1f}",
        "run": row.key[:KEY],
    }
