"""A comparison's page and notebook, in its folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.core.comparison import Comparison
from evalkit.core.errors import EvalkitError

PAGE, NOTEBOOK, TEXT = "report.html", "comparison.ipynb", "report.md"
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


def notebook(folder: Path, runs: Sequence[Path]) -> bool:
    """Write comparison.ipynb, executed, unless it is there; whether it was written.

    Raises ConfigError where the extra `notebook` is not installed.
    """
    if (folder / NOTEBOOK).is_file():
        return False
    from evalkit.cli.notebook import write  # noqa: PLC0415  Jupyter takes seconds

    write(list(runs), folder / NOTEBOOK)
    return True


def forget(folder: Path) -> None:
    """Take a notebook away that was made of what the runs were before."""
    (folder / NOTEBOOK).unlink(missing_ok=True)


def best(folder: Path) -> str:
    """Which file a person opens."""
    return PAGE if (folder / PAGE).is_file() else TEXT
