"""Which run a name on the command line means."""

import json
from pathlib import Path

from evalkit.core.errors import ConfigError
from evalkit.places import mlruns


def run_folder(name: str) -> Path:
    """The folder of a run: by its path, its key or a unique prefix of it, or its name (the newest of that name).

    Raises ConfigError that lists what there is.
    """
    if (Path(name) / "journal.jsonl").is_file():
        return Path(name)
    found = {path: _name(path) for path in (mlruns() / "runs").glob("*/") if (path / "journal.jsonl").is_file()}
    by_key = [path for path in found if path.name.startswith(name)]
    if len(by_key) == 1:
        return by_key[0]
    named = sorted((path for path, given in found.items() if given == name), key=lambda path: path.stat().st_mtime)
    if named:
        return named[-1]
    if by_key:
        raise ConfigError(f"{name!r} is the start of {len(by_key)} runs: {', '.join(path.name for path in by_key)}")
    known = ", ".join(f"{path.name} ({given})" for path, given in found.items()) or "none yet"
    raise ConfigError(f"no run {name!r} in {mlruns() / 'runs'}; there: {known}")


def _name(path: Path) -> str:
    try:
        return str(json.loads((path / "record.json").read_text())["name"])
    except (OSError, ValueError, KeyError):
        return ""
