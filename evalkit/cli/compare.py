"""Are runs really different? Paired on the instances that they judged, with what it costs and where it comes from.

A is the baseline, B (and C and so on) is set against it: uplift is B minus A in solved rate. With --sweep, all finished
cells of a sweep, and what each factor does. What is shown, and more, lies in mlruns/comparisons/ and in MLflow.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from evalkit.cli import compare_pages as pages
from evalkit.cli.compare_found import Found
from evalkit.cli.compare_record import Record, store_of
from evalkit.cli.compare_sides import with_baseline
from evalkit.cli.compare_sweep import Sweep, sweep_of
from evalkit.cli.runs_of import run_folder
from evalkit.cli.store import add_uri
from evalkit.cli.tables import counted
from evalkit.core.errors import ConfigError

EXAMPLE = "evalkit compare single-starter local-starter"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="*",
        help="a run: its folder, its name, its key or MLflow id or a prefix of one; two or more",
    )
    parser.add_argument("--sweep", metavar="ID", help="all finished cells of a sweep: its key, name or MLflow id")
    parser.add_argument("--baseline", metavar="RUN", help="what the others are set against; default: the first")
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    parser.add_argument("--shared-only", action="store_true", help="compare although the runs' instances differ")
    parser.add_argument("--allow-simulated", action="store_true", help="compare a simulated run with a live one")
    parser.add_argument("--notebook", action="store_true", help="execute the notebook in the comparison's folder")
    parser.add_argument("--no-track", action="store_true", help="show it only: write no folder and no MLflow run")
    add_uri(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, show and record."""
    if args.notebook and args.no_track:
        raise ConfigError("--notebook goes into the comparison's folder, which --no-track does not write")
    folders, sweep = _what(args)
    found = Found(folders, sweep, shared_only=args.shared_only, simulated=args.allow_simulated)
    content = found.json()
    where = [] if args.no_track else _recorded(args, folders, found, content)
    if args.format == "json":
        print(json.dumps(content, indent=2))
    elif args.format == "markdown":
        print(found.report(), end="")
    else:
        found.show()
        for line in where:
            print(line)
    return 0


def _what(args: argparse.Namespace) -> tuple[list[Path], Sweep | None]:
    """The runs' folders, the baseline first."""
    if args.sweep and args.runs:
        raise ConfigError("name runs or give --sweep ID, not both")
    sweep = sweep_of(args.sweep) if args.sweep else None
    folders = list(sweep.folders) if sweep else [run_folder(name, args.uri) for name in args.runs]
    folders = with_baseline(folders, run_folder(args.baseline, args.uri) if args.baseline else None)
    if sweep is None and len(folders) < 2:  # noqa: PLR2004  a comparison
        raise ConfigError(f"{counted(len(folders), 'run')} named; compare needs two or more: evalkit compare A B")
    if len(folders) < 2:  # noqa: PLR2004  as above
        raise ConfigError(
            f"sweep {args.sweep!r} has {counted(len(folders), 'finished cell')}; compare needs two or more"
        )
    return folders, sweep


def _recorded(args: argparse.Namespace, folders: list[Path], found: Found, content: Mapping[str, object]) -> list[str]:
    """Write the comparison down and publish it; where it is."""
    record = Record(found.identity)
    news = not record.says(content)
    if news:
        figures = found.draw(record.path)
        pages.page(record.path, folders, found.comparisons)
        pages.forget(record.path)
        record.write(content, found.report(figures, record.where), found.tables())
    news = pages.notebook(record.path, folders, run=args.notebook) or news
    where = [f"all of it: {record.where}/{pages.best(record.path)}"]
    store = store_of(folders, args.uri)
    if store is None:
        return where
    run_id = record.published(store, found.name, found.tags, found.params, found.metrics, news=news)
    return [*where, f"in evalkit ui: MLflow run {run_id[:8]}"] if run_id else where
