"""A run as one HTML file that opens without a network: rates, rungs, failures, and every climb with its texts.

Of several runs, the first is what the others are compared with: uplift with its interval, whether it is real, what
flips, and each instance's climbs side by side. RUN is a run's folder, name, key or MLflow id.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.core.errors import EvalkitError

if TYPE_CHECKING:
    from evalkit.adapters.report.saving import Written
    from evalkit.core.summary import Summary

EXAMPLE = "evalkit report single-starter local-starter --out report.html"
NAME = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("run", nargs="+", metavar="RUN", help="a run's folder, name, key or MLflow id")
    parser.add_argument("--notebook", action="store_true", help="an executed Jupyter notebook instead of HTML")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: report.html in the run's folder; of several runs, a file under mlruns/reports/",
    )
    parser.add_argument("--shared-only", action="store_true", help="compare although the runs' instances differ")
    parser.add_argument("--allow-simulated", action="store_true", help="compare a simulated run with a live one")


def run(args: argparse.Namespace) -> int:
    """Write the report and say where it is. Returns the exit code."""
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  --help needs neither

    folders = [run_folder(name) for name in args.run]
    if args.notebook:
        from evalkit.cli.notebook import write as write_notebook  # noqa: PLC0415

        print(write_notebook(folders, args.out or _place(folders, "notebook.ipynb")))
        return 0
    written = write(folders, args.out, shared_only=args.shared_only, simulated=args.allow_simulated)
    print(written.path)
    if written.left_out:
        texts = "1 climb" if written.left_out == 1 else f"{written.left_out} climbs"
        print(f"the texts of {texts} did not fit in ({written.size / 1e6:.0f} MB): see instances/ in the run's folder")
    return 0


def write(
    folders: Sequence[Path], out: Path | None = None, *, shared_only: bool = False, simulated: bool = False
) -> "Written":
    """The report of these runs; where there are several, the first is the baseline (core/pairing says what is refused).

    Raises ConfigError where a run cannot be read or must not be compared, StorageError on a full disk.
    """
    from evalkit.adapters.run_results import climb_folder, read_summary  # noqa: PLC0415  as above

    if len(folders) == 1:
        return of_run(folders[0], read_summary(folders[0]), out)
    from evalkit.adapters.report.beside import write_comparison  # noqa: PLC0415  scipy, which one run need not load
    from evalkit.adapters.report.rendering import label  # noqa: PLC0415
    from evalkit.adapters.run_results import read_traits  # noqa: PLC0415
    from evalkit.core.comparison import against  # noqa: PLC0415
    from evalkit.core.pairing import Side, refuse  # noqa: PLC0415

    sides = [
        Side(label(at), read_summary(folder), {one.instance_id: one for one in read_traits(folder)})
        for at, folder in enumerate(folders)
    ]
    refuse(sides, shared_only=shared_only, simulated=simulated)
    found = against(sides[0], sides[1:])
    return write_comparison(folders, found, out or _place(folders, NAME), place=climb_folder)


def of_run(folder: Path, summary: "Summary", out: Path | None = None) -> "Written":
    """The report of one run whose summary is at hand."""
    from evalkit.adapters.report import write_run  # noqa: PLC0415  as above
    from evalkit.adapters.run_results import climb_folder  # noqa: PLC0415
    from evalkit.cli.suspect_lines import lines  # noqa: PLC0415

    return write_run(folder, summary, out or folder / NAME, place=climb_folder, suspects=lines(summary.suspects))


def at_end(folder: Path, summary: "Summary", up_to: int) -> None:
    """The report of a run that just ended, of at most `up_to` climbs; else one of an earlier session would be old."""
    if len(summary.instances) > up_to:
        (folder / NAME).unlink(missing_ok=True)
        return
    try:
        of_run(folder, summary)
    except EvalkitError as error:  # the results are safe, and a page can be made again
        print(f"evalkit: no report.html: {error}", file=sys.stderr)


def _place(folders: Sequence[Path], name: str) -> Path:
    """Where a report goes that is told no other place."""
    if len(folders) == 1:
        return folders[0] / name
    from evalkit.places import mlruns  # noqa: PLC0415  as above

    return mlruns() / "reports" / ("-".join(folder.name for folder in folders) + Path(name).suffix)
