"""A comparison's page and notebook, in its folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.core.comparison import Comparison
from evalkit.core.errors import ConfigError, EvalkitError

PAGE, NOTEBOOK, TEXT = "report.html", "comparison.ipynb", "report.md"
EXECUTED = '"execution_count": 1'  # in a notebook whose cells were run
CLIMBS = 2_000  # of all runs together, up to which a page is written unasked: `evalkit report A B` writes larger ones


def page(folder: Path, runs: Sequence[Path], found: Sequence[Comparison]) -> None:
    """Write report.html, every climb with its texts; none where the runs are large, and no old one is left."""
    from evalkit.adapters.report.beside import write_comparison  # noqa: PLC0415  Jinja, for comparisons that are new
    from evalkit.adapters.run_results import climb_folder  # noqa: PLC0415

    climbs = sum(len(side.summary.instances) for side in (found[0].a, *(one.b for one in found)))
    if climbs > CLIMBS:
        (folder / PAGE).unlink(missing_ok=True)
        return
    try:
        write_comparison(runs, found, folder / PAGE, place=climb_folder)
    except EvalkitError as error:  # the comparison stands, and `evalkit report` makes the page again
        print(f"evalkit: no {PAGE}: {error}", file=sys.stderr)


def notebook(folder: Path, runs: Sequence[Path], *, run: bool) -> bool:
    """Write comparison.ipynb, executed with `run`, unless it is there like that; whether it was written.

    Raises ConfigError where it is to be executed and the extra `notebook` is not installed.
    """
    there = folder / NOTEBOOK
    if there.is_file() and (not run or EXECUTED in there.read_text(encoding="utf-8")):
        return False
    from evalkit.cli.notebook import write  # noqa: PLC0415  Jupyter takes seconds

    try:
        write(list(runs), there, run=run)
    except ConfigError:
        if run:
            raise
        return False  # without the extra there is none, as docs/compare.md says
    return True


def forget(folder: Path) -> None:
    """Take a notebook away that was made of what the runs were before."""
    (folder / NOTEBOOK).unlink(missing_ok=True)


def best(folder: Path) -> str:
    """Which file a person opens."""
    return PAGE if (folder / PAGE).is_file() else TEXT
