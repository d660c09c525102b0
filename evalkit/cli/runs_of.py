"""Which run a name on the command line means."""

import json
import sys
from pathlib import Path

from evalkit.core.errors import ConfigError
from evalkit.places import mlruns


def run_folder(name: str) -> Path:
    """The folder of a run: by its path, its name (the newest of that name), its key, its MLflow id, or a prefix.

    Raises ConfigError that lists what there is.
    """
    if (Path(name) / "journal.jsonl").is_file():
        return Path(name)
    found = [path for path in (mlruns() / "runs").glob("*/") if (path / "journal.jsonl").is_file()]
    named = [path for path in found if told(path, "record.json", "name") == name]
    if named:
        newest = max(named, key=lambda path: path.stat().st_mtime)
        if len(named) > 1:
            print(f"{len(named)} runs are called {name!r}; this is the newest, {newest.name}", file=sys.stderr)
        return newest
    begun = [
        path for path in found if path.name.startswith(name) or told(path, "published.json", "run_id").startswith(name)
    ]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise ConfigError(f"{name!r} is the start of {len(begun)} runs: {', '.join(path.name for path in begun)}")
    names = sorted((told(path, "record.json", "name"), path.name) for path in found)
    known = ", ".join(f"{called or 'without a name'} ({key})" for called, key in names) or "none yet"
    raise ConfigError(f"no run {name!r} in {mlruns() / 'runs'}; there: {known}")


def told(path: Path, file: str, key: str) -> str:
    """What one of a run's JSON files says; empty where it says nothing."""
    try:
        return str(json.loads((path / file).read_text())[key])
    except (OSError, ValueError, KeyError):
        return ""
