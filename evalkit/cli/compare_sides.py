"""The runs that are to be compared, read from their folders."""

import string
from collections.abc import Sequence
from pathlib import Path

from evalkit.adapters.run_results import read_summary, read_traits
from evalkit.core.pairing import Side
from evalkit.places import home


def sides(folders: Sequence[Path]) -> list[Side]:
    """The runs in these folders, labelled A, B and so on. Raises ConfigError where one has not ended."""
    return [
        Side(label(place), read_summary(folder), {one.instance_id: one for one in read_traits(folder)})
        for place, folder in enumerate(folders)
    ]


def label(place: int) -> str:
    """A to Z, then R27 and so on."""
    letters = string.ascii_uppercase
    return letters[place] if place < len(letters) else f"R{place + 1}"


def with_baseline(folders: Sequence[Path], baseline: Path | None) -> list[Path]:
    """The folders with the baseline in front, whether or not it is one of them."""
    if baseline is None:
        return list(folders)
    return [baseline, *(folder for folder in folders if folder.resolve() != baseline.resolve())]


def short(folder: Path) -> str:
    """A run's folder as one types it in EVALKIT_HOME."""
    place = folder.absolute()
    return str(place.relative_to(home()) if place.is_relative_to(home()) else place)
