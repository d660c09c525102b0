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

    for record in sorted([*(mlruns() / "runs").glob("*/record.json"), *(mlruns() / "ramps").glob("*/record.json")]):
        if not is_published(record.parent, _uri(record.parent, args)):
            yield record.parent
    yield from (
        path.parent for kind in SUMMARIES for path in sorted((mlruns() / kind).glob(f"*/{FACTS}")) if waits(path.parent)
    )


def _publish(folder: Path, args: argparse.Namespace) -> None:
    from evalkit.adapters.mlflow_publish import publish, read_record  # noqa: PLC0415  msgspec
    from evalkit.adapters.mlflow_summary_run import FACTS, publish_again  # noqa: PLC0415  as above

    if (folder / FACTS).is_file():
        run_id = publish_again(folder, uri=_uri(folder, args), home=str(home()), experiment=args.experiment)
        print(f"{folder.name}: published as MLflow run {run_id}")
        return
    tracker = tracker_of(folder)
    record = read_record(folder)
    uri, experiment = _uri(folder, args), args.experiment or tracker.get("experiment") or record.experiment or "evalkit"
    how = {name: tracker[name] for name in ("traces", "traces_at_most") if name in tracker}
    with _held(folder):
        done = publish(str(folder), uri, experiment, home=str(home()), **how)
    said = "published" if done.changed else "was published already"
    print(f"{folder.name} {record.name}: {said} in experiment {experiment!r}, MLflow run {done.run_id}")


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


def _uri(folder: Path, args: argparse.Namespace) -> str:
    """What was asked for, else the store that the run was to go to, else the configured one."""
    return store_uri(args.uri or tracker_of(folder).get("uri"))


def tracker_of(folder: Path) -> dict[str, Any]:
    """The tracker's settings of the run; none if it had none."""
    import yaml  # noqa: PLC0415  --help need not pay

    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    found = config.get("tracker") if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}
