"""An executed notebook of runs or of ramps, the first of which the others are compared with."""

import json
import os
from pathlib import Path

from evalkit import __version__
from evalkit.adapters import notebook
from evalkit.adapters.run_results import read_phases, read_summary
from evalkit.core.errors import ConfigError

SAMPLE = "sample.json"  # ramps have it, runs do not


def write(folders: list[Path], out: Path, *, run: bool = True) -> Path:
    """Write the notebook of these folders' results to `out` and return it; it finds them by the way from there.

    With `run` false no cell of it is executed, which takes a kernel and seconds. All are runs, or all are ramps; the
    first is the old one. Raises ConfigError where they are not, a folder's results cannot be read, or the extra
    `notebook` is not installed; RuntimeError where a cell fails.
    """
    ramps = _are_ramps(folders)
    if twice := {str(folder) for folder in folders if folders.count(folder) > 1}:
        raise ConfigError(f"{', '.join(sorted(twice))} is named twice; a notebook compares different ones.")
    if ramps:
        for folder in folders:
            read_phases(folder)
    out = out.absolute()
    named = {name: os.path.relpath(folder.resolve(), out.parent.resolve()) for name, folder in _names(folders).items()}
    old, *new = named
    title = f"{old} against {', '.join(new)}" if new else old
    runs = "{\n" + "".join(f"    {json.dumps(name)}: {json.dumps(path)},\n" for name, path in named.items()) + "}"
    texts = {"TITLE": title, "VERSION": __version__, "RUNS": runs}
    notebook.write("ramps" if ramps else "runs", texts, out, run=run)
    return out


def _are_ramps(folders: list[Path]) -> bool:
    kinds = {folder: (folder / SAMPLE).is_file() for folder in folders}
    if not kinds:
        raise ConfigError("name at least one run or ramp")
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{folder.name} is a {'ramp' if ramp else 'run'}" for folder, ramp in kinds.items())
        raise ConfigError(f"a notebook is of runs or of ramps, not of both: {told}.")
    return all(kinds.values())


def _names(folders: list[Path]) -> dict[str, Path]:
    """The folders by their runs' names, with the key where two are called the same."""
    called = [read_summary(folder).name or folder.name for folder in folders]
    return {
        name if called.count(name) == 1 else f"{name} {folder.name}": folder
        for name, folder in zip(called, folders, strict=True)
    }
