"""How far a run is: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from evalkit.cli.tables import counted
from evalkit.core.ports import Observer
from evalkit.core.tally import Total, row
from evalkit.core.types import Solution, Status

EVERY_S = 10.0  # between plain lines


@contextmanager
def progress(climbs: int, where: str) -> Iterator[Observer]:
    """An observer that shows progress on stderr while the block runs."""
    if sys.stderr.isatty():
        with _bar(climbs, where) as bar:
            yield bar
    else:
        print(f"{where}: {counted(climbs, 'climb')}", file=sys.stderr)
        yield PlainLines(climbs)


class Counts:
    """What a line of progress says."""

    def __init__(self, climbs: int) -> None:
        self.climbs = climbs
        self.done = self.attempts = 0
        self.by: Counter[Status] = Counter()
        self._said: set[str] = set()
        self._cost = Total()

    def add(self, solution: Solution) -> None:
        """Count one climb."""
        self.done += 1
        self.by[solution.status] += 1
        self.attempts += len(solution.asked)
        self._cost.add(row(solution).cost_usd)

    def skipped(self, solution: Solution) -> Iterator[str]:
        """A line for each rung that this climb is the first to have skipped."""
        for attempt in solution.attempts:
            if attempt.skipped and attempt.rung not in self._said:
                self._said.add(attempt.rung)
                yield f"rung {attempt.rung} is skipped: {attempt.completion.detail}"

    def __str__(self) -> str:
        cost = "cost unknown" if self._cost.value is None else f"${self._cost.value:.4f}"
        parts = [f"{self.by[status]} {status}" for status in Status if self.by[status] or status is Status.SOLVED]
        return f"{', '.join(parts)} · {counted(self.attempts, 'attempt')} · {cost}"


class PlainLines:
    """One line now and then, for logs."""

    def __init__(self, climbs: int) -> None:
        self._counts = Counts(climbs)
        self._began = self._said = time.monotonic()

    def climbed(self, solution: Solution) -> None:
        """Say something if it is time to, or if this was the last climb."""
        self._counts.add(solution)
        for line in self._counts.skipped(solution):
            print(line, file=sys.stderr)
        now = time.monotonic()
        if now - self._said < EVERY_S and self._counts.done < self._counts.climbs:
            return
        self._said = now
        to_do = self._counts.climbs - self._counts.done
        left = f" · about {(now - self._began) / self._counts.done * to_do:.0f} s left" if to_do else ""
        print(f"{self._counts.done}/{self._counts.climbs} · {self._counts}{left}", file=sys.stderr)


class Updates(Protocol):
    """What a bar needs of rich's."""

    def __call__(self, *, advance: int, description: str) -> None:
        """Move on."""
        ...


class Bar:
    """A live line on a terminal."""

    def __init__(self, climbs: int, update: Updates, say: Callable[[str], None]) -> None:
        self._counts = Counts(climbs)
        self._update = update
        self._say = say

    def climbed(self, solution: Solution) -> None:
        """Move on by one."""
        self._counts.add(solution)
        for line in self._counts.skipped(solution):
            self._say(line)
        self._update(advance=1, description=str(self._counts))


@contextmanager
def _bar(climbs: int, where: str) -> Iterator[Observer]:
    from rich.console import Console  # noqa: PLC0415  only a terminal needs it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    console.print(where, highlight=False)
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("starting", total=climbs)

        def update(*, advance: int, description: str) -> None:
            shown.update(task, advance=advance, description=description)

        yield Bar(climbs, update, lambda line: console.print(line, highlight=False, markup=False))
