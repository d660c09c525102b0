"""A run as one HTML file that opens without a network: rates, rungs, failures, and every climb with its texts.

It is written into the run's folder, or to --out. RUN is a run's folder, name, key or MLflow id.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.adapters.report import Written
    from evalkit.core.summary import Summary

EXAMPLE = "evalkit report 0123456789ab --out report.html"
NAME = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("run", nargs="+", metavar="RUN", help="a run's folder, name, key or MLflow id")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the run's folder")


def run(args: argparse.Namespace) -> int:
    """Write the report and say where it is. Returns the exit code."""
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  --help needs neither

    folders = [run_folder(name) for name in args.run]
    written = write(folders, args.out)
    print(written.path)
    return 0


def write(folders: Sequence[Path], out: Path | None = None) -> "Written":
    """The report of these runs. Raises ConfigError on a run that cannot be read, StorageError on a full disk."""
    from evalkit.adapters.run_results import read_summary  # noqa: PLC0415  as above

    return of_run(folders[0], read_summary(folders[0]), out)


def of_run(folder: Path, summary: "Summary", out: Path | None = None) -> "Written":
    """The report of one run whose summary is at hand."""
    from evalkit.adapters.report import write_run  # noqa: PLC0415  as above
    from evalkit.adapters.run_results import climb_folder  # noqa: PLC0415
    from evalkit.cli.suspect_lines import lines  # noqa: PLC0415

    return write_run(folder, summary, out or folder / NAME, place=climb_folder, suspects=lines(summary.suspects))
