"""Where the attempt lies that a climb ended with."""

from os.path import isfile
from pathlib import Path

from evalkit.core.summary import InstanceRow


def last_attempt(shown: str, folder: Path, row: InstanceRow) -> str:
    """The file of a climb's last completion, in the run's `folder` written `shown`; its folder if no model was asked.

    Rungs that were skipped have numbers too, so there may be more files than the row counts attempts. By strings,
    since thousands of flips are looked up.
    """
    climb = f"instances/{row.instance_id}" + (f"/epoch_{row.epoch}" if row.epoch > 1 else "")
    if not row.attempts:
        return f"{shown}/{climb}"
    number = row.attempts
    while isfile(f"{folder}/{climb}/attempt_{number + 1}.txt"):  # noqa: PTH113  a hot loop
        number += 1
    return f"{shown}/{climb}/attempt_{number}.txt"
