"""Cells that began while the tracking store was away carry the sweep's key; once it has a run there, they name that."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evalkit.adapters.mlflow_publish import read_record
from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.sweep_folder import SweepFolder, is_held
from evalkit.cli.budgets import cell_lock
from evalkit.cli.publish import publish_run, tracker_of
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.places import mlruns

TAG = "evalkit.sweep"


def adopt(folder: SweepFolder, uri: str | None = None) -> int:
    """Give the sweep's cells its run's id, in their folders and in the store at `uri`; how many had only its key.

    One that is under way in another process, or that the store does not take, keeps the key until the next time.
    """
    return sum([_adopted(path, folder.run_id, uri) for path in _waiting(folder)]) if folder.run_id else 0


def _waiting(folder: SweepFolder) -> Iterator[Path]:
    for cell in folder.cells():
        path = mlruns() / "runs" / cell.key
        if cell.key and _tag(path) == folder.path.name and not is_held(cell_lock(cell.key)):
            yield path


def _tag(path: Path) -> str:
    try:
        return read_record(path).tags.get(TAG, "")
    except ConfigError:  # a cell that was refused before it became a run
        return ""


def _adopted(path: Path, run_id: str, uri: str | None) -> bool:
    run = RunFolder(path)
    try:
        summary = run.summary()
        if summary is None:  # it was killed; the command that continues it knows the run
            return False
        tags = {TAG: run_id}
        run.rename(summary.name, tags, replace(summary, tags={**summary.tags, **tags}))
        if not str(tracker_of(path).get("_target_")).endswith(".NoTracker"):
            publish_run(path, uri)
    except EvalkitError as error:
        print(f"evalkit: {path.name} is not shown with its sweep yet: {error}", file=sys.stderr)
        return False
    return True
