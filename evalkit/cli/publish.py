"""Bring runs to MLflow that could not be published while they ran. Publishing twice changes nothing.

Without RUN: all folders of runs, ramps, sweeps and comparisons under EVALKIT_HOME/mlruns that are not marked as
published yet.
"""

import argparse
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.cli.runs_of import run_folder, told
from evalkit.cli.store import add_uri, store_uri
from evalkit.cli.tables import counted
from evalkit.core.errors import ConfigError
from evalkit.places import home, mlruns

SUMMARIES = ("sweeps", "comparisons")  # folders of runs that no model was asked for
EXAMPLE = "evalkit publish mlruns/runs/0123456789ab"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "run_dir",
        nargs="*",
        metavar="RUN",
        help="its folder or key; a run or ramp also by its name, a run by its MLflow id or a prefix",
    )
    parser.add_argument("--experiment", help="default: the one that the run names")
    add_uri(parser)


def run(args: argparse.Namespace) -> int:
    """Publish what is asked for, or all that waits. Returns the exit code."""
    if args.run_dir:
        for name in args.run_dir:
            _publish(_folder(name), args)
        return 0
    waiting = list(_waiting(args))
    for folder in waiting:
        try:
            _publish(folder, args)
        except ConfigError as error:  # a run that goes on just now, or never ended
            print(f"left alone: {error}")
    if not waiting:
        print("everything is published")
    return 0


def _folder(name: str) -> Path:
    """By path, key, or name, also a ramp's (the newest of that name); else whatever `compare` takes for a run.

    Raises ConfigError.
    """
    places = [Path(name), *(mlruns() / kind / name for kind in ("runs", "ramps", *SUMMARIES))]
    for place in places:
        if place.is_dir():
            return place.absolute()
    ramps = [path.parent for path in (mlruns() / "ramps").glob("*/record.json")]
    if called := [path for path in ramps if told(path, "record.json", "name") == name]:
        return max(called, key=lambda path: path.stat().st_mtime).absolute()
    return run_folder(name).absolute()


def _waiting(args: argparse.Namespace) -> Iterator[Path]:
    from evalkit.adapters.mlflow_publish import is_published  # noqa: PLC0415  msgspec
    from evalkit.adapters.mlflow_summary_run import FACTS, waits  # noqa: PLC0415  as above

    yield from (  # first: their cells are told what they belong to
        path.parent for kind in SUMMARIES for path in sorted((mlruns() / kind).glob(f"*/{FACTS}")) if waits(path.parent)
    )
    for record in sorted([*(mlruns() / "runs").glob("*/record.json"), *(mlruns() / "ramps").glob("*/record.json")]):
        if not is_published(record.parent, _uri(record.parent, args.uri)):
            yield record.parent


def _publish(folder: Path, args: argparse.Namespace) -> None:
    from evalkit.adapters.mlflow_summary_run import FACTS, publish_again  # noqa: PLC0415  msgspec

    if not (folder / FACTS).is_file():
        print(publish_run(folder, args.uri, args.experiment))
        return
    run_id = publish_again(folder, uri=_uri(folder, args.uri), home=str(home()), experiment=args.experiment)
    print(f"{folder.name}: published as MLflow run {run_id}")
    if folder.parent.name == "sweeps":
        from evalkit.adapters.sweep_folder import SweepFolder  # noqa: PLC0415  for sweeps
        from evalkit.cli.sweep.adopting import adopt  # noqa: PLC0415

        if cells := adopt(SweepFolder(folder), args.uri):
            print(f"{folder.name}: {counted(cells, 'cell')} of it named as its own")


def publish_run(folder: Path, uri: str | None = None, experiment: str | None = None) -> str:
    """Bring a run's or ramp's folder to the store at `uri`, else to its own; what was done, in one line.

    Raises ConfigError where it is no run's or its run goes on, TrackerError where the store does not take it.
    """
    from evalkit.adapters.mlflow_publish import publish, read_record  # noqa: PLC0415  msgspec

    tracker = tracker_of(folder)
    record = read_record(folder)
    store, named = _uri(folder, uri), experiment or tracker.get("experiment") or record.experiment or "evalkit"
    how = {name: tracker[name] for name in ("traces", "traces_at_most") if name in tracker}
    with _held(folder):
        done = publish(str(folder), store, named, home=str(home()), **how)
    said = "published" if done.changed else "was published already"
    return f"{folder.name} {record.name}: {said} in experiment {named!r}, MLflow run {done.run_id}"


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the journal's lock: a run that is under way is not published beside itself. Raises ConfigError."""
    journal = folder / "journal.jsonl"
    if not journal.exists():
        yield
        return
    with journal.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder.name} is under way in another process, which publishes it itself.") from None
        yield


def _uri(folder: Path, asked: str | None) -> str:
    """What was asked for, else the store that the run was to go to, else the configured one."""
    return store_uri(asked or tracker_of(folder).get("uri"))


def tracker_of(folder: Path) -> dict[str, Any]:
    """The tracker's settings of the run; none if it had none."""
    import yaml  # noqa: PLC0415  --help need not pay

    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    found = config.get("tracker") if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}
