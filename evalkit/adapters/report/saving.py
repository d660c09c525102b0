"""A report on the disk: whole or not at all, so that one that is open is never half of one."""

import os
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.errors import StorageError

MOST_BYTES = 24_000_000  # of climbs' texts, compressed: what a phone still opens at once


@dataclass(frozen=True)
class Written:
    """Where a report lies, its bytes, and how many climbs' texts did not fit into it."""

    path: Path
    size: int
    left_out: int


def saved(out: Path, text: str, left_out: int) -> Written:
    """Write it. Raises StorageError."""
    data = text.encode("utf-8", "replace")
    new = out.with_name(f".{out.name}.new")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(data)
        os.replace(new, out)  # noqa: PTH105  both are fine
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}. Free space, or name another file with --out.") from error
    return Written(out, len(data), left_out)
