"""Where the attempt lies that a climb ended with."""

from pathlib import Path

from evalkit.adapters.run_results import climb_folder
from evalkit.core.summary import InstanceRow


def last_attempt(folder: Path, row: InstanceRow) -> Path:
    """The file of a climb's last completion; the climb's folder where no model was asked.

    Rungs that were skipped have numbers too, so there may be more files than the row counts attempts.
    """
    climb = climb_folder(folder, row)
    number = max(1, row.attempts)
    while (climb / f"attempt_{number + 1}.txt").is_file():
        number += 1
    return climb / f"attempt_{number}.txt" if row.attempts else climb
