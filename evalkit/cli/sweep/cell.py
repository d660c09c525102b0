"""One cell of a sweep: a run like any other, recorded in the sweep's folder, here or in a launcher's process."""

import asyncio
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.sweep_folder import SweepFolder, alone
from evalkit.cli.budgets import cell_lock, shared
from evalkit.cli.elsewhere import here
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import Composed, Ended
from evalkit.cli.run import CODES
from evalkit.cli.sweep.lines import already, ended
from evalkit.core.digest import canonical
from evalkit.core.errors import EvalkitError, InfrastructureError
from evalkit.core.summary import Summary
from evalkit.core.sweep import Cell, State, factor, measured
from evalkit.core.types import Dataset
from evalkit.places import mlruns
from evalkit.settings import read
from evalkit.wiring import Wired

BUG = 1
_DATASETS: dict[str, Dataset] = {}  # read once a process: most sweeps have one


@dataclass(frozen=True)
class CellJob:
    """What Hydra's launcher runs for each cell; pickled where it starts processes.

    `fixed` are the settings that the command line gives to all cells, `tag` the sweep's MLflow run (or its key),
    `objectives` what the sweeper is told, `of` how many cells there are if that is known, `stop` a file that says that
    no further cell is to begin (fail-fast).
    """

    folder: Path
    tag: str
    fixed: frozenset[str]
    objectives: tuple[str, ...]
    of: int | None
    fail_fast: bool
    stop: Path
    started_by: tuple[str, int]

    def __call__(self, composed: Composed) -> Ended:
        """Run the cell, or skip it where it is complete already."""
        if self.stop.exists():
            return Ended(0)
        cell = self._cell(composed.overrides, State.RUNNING)
        with self._heard(cell):
            try:
                wired = _wired(composed, cell)
                cell = replace(cell, key=wired.key)
                with alone(lock_of(cell.key)):
                    return self._ended(*self._run(cell, wired, composed.overrides))
            except KeyboardInterrupt:
                self._note(replace(cell, state=State.INTERRUPTED, why="interrupted; the same command continues"))
                raise
            except EvalkitError as error:
                return self._failed(cell, str(error), error.exit_code, isinstance(error, InfrastructureError))
            except Exception as error:  # noqa: BLE001  a bug in one cell is told and does not stop the others
                traceback.print_exc()
                return self._failed(cell, f"{type(error).__name__}: {error} (a bug in evalkit)", BUG)

    def refused(self, overrides: Sequence[str], error: EvalkitError) -> None:
        """Record a cell whose config never became a run's."""
        self._failed(self._cell(overrides, State.FAILED), str(error), error.exit_code)

    def _cell(self, overrides: Sequence[str], state: State) -> Cell:
        swept = tuple(one for one in overrides if factor(one)[0] not in self.fixed)
        return Cell(swept, "", state, number=HydraConfig.get().job.num, started=_now())

    def _run(self, cell: Cell, wired: Wired, overrides: Sequence[str]) -> tuple[Cell, Summary]:
        earlier, summary = self._done(cell)
        if earlier is not None and summary is not None:
            self._say(already(earlier, self._place))
            return earlier, summary
        tags = {"evalkit.sweep": self.tag, "evalkit.cell": cell.name}
        try:
            session = Session(wired, overrides, tags, time.perf_counter(), shared=shared(wired, self.folder))
            found = session.finished()
            if found is None:
                wired.tracker.prepare()  # its library loads in a process of its own meanwhile
                self._say(f"{self._place}: {cell.name}")
                self._note(cell)
                found = asyncio.run(session.run())
        finally:
            wired.tracker.close()
        done = replace(cell, state=State(found.status), exit_code=CODES[found.status], why=found.why, ended=_now())
        self._note(done, found)
        return done, found

    def _done(self, cell: Cell) -> tuple[Cell | None, Summary | None]:
        """The cell's earlier end, where the sweep has it on record as complete and its run says the same."""
        earlier = SweepFolder(self.folder).noted(cell.key)
        if earlier is None or earlier.state is not State.COMPLETE or set(earlier.overrides) != set(cell.overrides):
            return None, None
        summary = RunFolder(mlruns() / "runs" / cell.key).summary()
        if summary is None or summary.status != "complete" or summary.counts.get("quarantined"):
            return None, None
        return earlier, summary

    def _ended(self, cell: Cell, summary: Summary) -> Ended:
        if cell.state is not State.COMPLETE:
            self._stop()
            return Ended(cell.exit_code)
        values = [measured(summary, name) for name in self.objectives]
        if None in values:
            unknown = ", ".join(name for name, value in zip(self.objectives, values, strict=True) if value is None)
            print(f"evalkit: {cell.name}: {unknown} is unknown; the sweeper is told that it failed", file=sys.stderr)
            return Ended(cell.exit_code)
        return Ended(cell.exit_code, values[0] if len(values) == 1 else tuple(values))

    def _failed(self, cell: Cell, why: str, code: int, resumable: bool = False) -> Ended:
        state = State.UNFINISHED if resumable else State.FAILED
        self._note(replace(cell, state=state, exit_code=code, why=" ".join(why.split()), ended=_now()))
        self._stop()
        return Ended(code)

    def _stop(self) -> None:
        if self.fail_fast:
            self.stop.parent.mkdir(parents=True, exist_ok=True)
            self.stop.touch()

    def _note(self, cell: Cell, summary: Summary | None = None) -> None:
        SweepFolder(self.folder).note(cell)
        if cell.state not in (State.RUNNING, State.INTERRUPTED):
            self._say(ended(cell, summary, self._place))

    @property
    def _place(self) -> str:
        number = HydraConfig.get().job.num + 1
        return f"cell {number}" + (f" of {self.of}" if self.of else "")

    @property
    def _is_away(self) -> bool:
        return here() != self.started_by

    def _say(self, lines: str) -> None:
        """At once; what a cell in another process says, the first process says for it."""
        if not self._is_away:
            print(lines, file=sys.stderr, flush=True)

    @contextmanager
    def _heard(self, cell: Cell) -> Iterator[None]:
        """In another process, what the run itself says goes to the cell's log: lines of several would be mixed."""
        if not self._is_away:
            yield
            return
        with (
            SweepFolder(self.folder).log(cell).open("a", encoding="utf-8") as log,
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            yield


def lock_of(key: str) -> Path:
    """What a process holds while it works on a run's cell, of whichever sweep."""
    return cell_lock(key)


def _wired(composed: Composed, cell: Cell) -> Wired:
    """A cell is called after what makes it differ, unless it was given a name. Raises ConfigError with all faults."""
    config = {name: value for name, value in composed.config.items() if name != "sweep"}
    called = " ".join(part for part in cell.overrides if not part.startswith("dataset"))
    config["name"] = config.get("name") or called or None
    wired = Wired(config, composed.choices, read(config))
    named = canonical(config["dataset"])
    if named in _DATASETS:
        vars(wired)["dataset"] = _DATASETS[named]
    else:
        _DATASETS[named] = wired.dataset
    return wired


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
