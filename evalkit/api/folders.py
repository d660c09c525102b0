"""Where the runs and ramps lie that a caller names."""

from pathlib import Path
from typing import TypeAlias

from evalkit.core.errors import ConfigError

Run: TypeAlias = str | Path


def folder_of(run: Run) -> Path:
    """The folder of a run, or of a ramp by its path."""
    if (Path(run) / "summary.json").is_file():
        return Path(run)
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  most runs are given by their folder

    return run_folder(str(run))


def ramp_of(ramp: Run) -> Path:
    """The folder of a ramp: by its path, its key, or its name (the newest). Raises ConfigError that lists them."""
    from evalkit.cli.runs_of import told  # noqa: PLC0415  as above
    from evalkit.places import mlruns  # noqa: PLC0415

    if (Path(ramp) / "sample.json").is_file():
        return Path(ramp)
    found = {
        path.parent: told(path.parent, "record.json", "name") for path in (mlruns() / "ramps").glob("*/record.json")
    }
    named = [path for path, name in found.items() if str(ramp) in (path.name, name)]
    if not named:
        known = ", ".join(sorted(f"{name} ({path.name})" for path, name in found.items())) or "none yet"
        raise ConfigError(f"no ramp {str(ramp)!r} in {mlruns() / 'ramps'}; there: {known}")
    return max(named, key=lambda path: path.stat().st_mtime)
