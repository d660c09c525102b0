"""A sweep from its plan to its summary run: cells by Hydra's launcher, then the leaderboard and what to do next."""

import sys
from collections.abc import Sequence
from uuid import uuid4

from evalkit.adapters.sweep_folder import SweepFolder, is_held
from evalkit.cli.elsewhere import here
from evalkit.cli.hydra_app import launch
from evalkit.cli.provenance import as_yaml
from evalkit.cli.sweep.adopting import adopt
from evalkit.cli.sweep.board import SweepBoard
from evalkit.cli.sweep.cell import CellJob, lock_of
from evalkit.cli.sweep.lines import watching
from evalkit.cli.sweep.plan import SweepPlan
from evalkit.cli.sweep.publishing import Publishing
from evalkit.cli.tables import counted
from evalkit.core.sweep import State, factor
from evalkit.places import home, mlruns

UNFINISHED = 3
NO_BEST = "No trials are completed yet"  # what optuna raises where every cell failed, which is told already
LAUNCHERS = ("joblib.", "submitit.", "ray.", "concurrent.")  # modules whose errors mean that workers died


class SweepRun:
    """One command's work on one sweep. Raises ConfigError before anything is spent."""

    def __init__(self, plan: SweepPlan, flags: Sequence[str], *, fail_fast: bool, form: str) -> None:
        plan.check()
        self._plan, self._flags, self._form = plan, flags, form
        self._fail_fast = fail_fast or bool(plan.settings.get("fail_fast"))
        self._folder = SweepFolder(mlruns() / "sweeps" / plan.key)
        self._scratch = mlruns() / "hydra" / plan.key
        self._publishing = Publishing(plan, self._folder, self._scratch)

    def run(self) -> int:
        """Run the cells that are not complete; the worst exit code."""
        self._begin()
        try:
            code = self._launch()
        except KeyboardInterrupt:
            self._close()
            raise
        board = self._close()
        board.print(self._form)
        return max(code, self._lost())

    def _begin(self) -> None:
        plan = self._plan
        about = {"name": plan.name, "key": plan.key, "swept": plan.swept, "fixed": plan.fixed}
        self._folder.begin(about, as_yaml(dict(plan.config)))
        complete = sum(cell.state is State.COMPLETE for cell in self._folder.cells())
        told = [counted(plan.cells, "cell") if plan.cells else "cells as the sweeper chooses"]
        told += [f"{complete} complete on record"] if complete else []
        told += [f"launcher {plan.launcher}"] if plan.is_parallel else []
        print(f"sweep {plan.name}  {self._where}: {' · '.join(told)}", file=sys.stderr)
        if plan.is_parallel and any(model.startswith("local/") for model in plan.models):
            print("local models: each process loads weights of its own, and they share the processor", file=sys.stderr)
        self._publishing.open()

    def _launch(self) -> int:
        plan = self._plan
        job = CellJob(
            folder=self._folder.path,
            tag=self._folder.run_id or plan.key,
            fixed=frozenset({"sweeps", *(factor(one)[0] for one in plan.fixed)}),
            objectives=plan.objectives,
            of=plan.cells,
            fail_fast=self._fail_fast,
            stop=self._scratch / f"stop-{uuid4().hex[:12]}",
            started_by=here(),
        )
        argv = [f"+sweeps={plan.name}", *self._flags, *plan.overrides]
        argv += plan.for_sweeper(self._scratch, fail_fast=self._fail_fast)
        try:
            with watching(self._folder.path, wanted=plan.is_parallel):
                return launch(argv, "evalkit sweep", job)
        except Exception as error:
            if not type(error).__module__.startswith(LAUNCHERS) and NO_BEST not in str(error):
                raise
            why = " ".join(str(error).split())[:300]
            print(f"evalkit: the launcher ended early: {type(error).__name__}: {why}", file=sys.stderr)
            return UNFINISHED
        finally:
            job.stop.unlink(missing_ok=True)

    def _lost(self) -> int:
        """The exit code for cells whose process died without a word; those of another command are its own."""
        running = [cell for cell in self._folder.cells() if cell.state is State.RUNNING]
        lost = [cell for cell in running if not is_held(lock_of(cell.key))]
        for cell in lost:
            print(
                f"evalkit: cell unfinished: {cell.name}: its process died; the same command continues", file=sys.stderr
            )
        return UNFINISHED if lost else 0

    def _close(self) -> SweepBoard:
        found = self._scratch / "optimization_results.yaml"
        if found.is_file():
            self._folder.write("optuna.yaml", found.read_bytes())
        board = self._published()
        return self._published() if self._folder.run_id and adopt(self._folder) else board

    def _published(self) -> SweepBoard:
        board = SweepBoard(self._folder, self._plan.name, self._where)
        self._publishing.close(board)
        return board

    @property
    def _where(self) -> str:
        path = self._folder.path
        return str(path.relative_to(home()) if path.is_relative_to(home()) else path)
