"""What a sweep says while it goes: a line a cell that ended, at once, wherever it ran."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.sweep_folder import SweepFolder
from evalkit.core.summary import Summary
from evalkit.core.sweep import Cell, State
from evalkit.places import mlruns

EVERY_S = 0.5  # between looks at the record, where cells run in other processes


def ended(cell: Cell, summary: Summary | None, place: str = "cell") -> str:
    """The line for a cell that has just ended; `place` says which it is of how many."""
    if cell.state is State.FAILED or summary is None:
        return f"evalkit: {place} {cell.state}: {cell.name}: {cell.why}"
    told = _told(cell, summary)
    if cell.state is State.COMPLETE:
        return f"{place} complete: {told}"
    return f"evalkit: {place} {cell.state}: {told}: {cell.why}"


def already(cell: Cell, place: str) -> str:
    """The line for a cell with nothing left to do."""
    return f"{place} complete already: {cell.name}"


def _told(cell: Cell, summary: Summary) -> str:
    from evalkit.cli.outcome import money, rate  # noqa: PLC0415  rich, which `--cfg` and `--info` need not pay

    counts = summary.counts
    judged = counts["solved"] + counts["unsolved"]
    parts = [f"solved {counts['solved']} of {judged}", rate(summary.solved_rate), money(summary.cost_usd)]
    return f"{cell.name}: {' · '.join(parts)} · {summary.wall_seconds:.1f} s · {cell.key}"


@contextmanager
def watching(folder: Path, *, wanted: bool) -> Iterator[None]:
    """Say how cells end that run in other processes, while the block runs."""
    if not wanted:
        yield
        return
    watch, over = _Watch(SweepFolder(folder)), Event()
    thread = Thread(target=watch.until, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        watch.look()


class _Watch:
    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder
        self._said = {cell.name: cell for cell in folder.cells()}

    def until(self, over: Event) -> None:
        while not over.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        for cell in self._folder.cells():
            if self._said.get(cell.name) == cell:
                continue
            self._said[cell.name] = cell
            if cell.ended:
                print(ended(cell, _summary(cell)) + self._log(cell), file=sys.stderr, flush=True)

    def _log(self, cell: Cell) -> str:
        log = self._folder.log(cell)
        return "" if cell.state is State.COMPLETE or not log.is_file() else f" (its log: {log})"


def _summary(cell: Cell) -> Summary | None:
    return RunFolder(mlruns() / "runs" / cell.key).summary() if cell.key else None
