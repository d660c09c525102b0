"""Which run a name on the command line means: on this machine, in the tracking store, or in its registry."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from evalkit.core.errors import ConfigError, TrackerError
from evalkit.places import home, mlruns

MODELS = "models:/"
FORMS = "a folder, a name, a key, an MLflow run id or the start of one, models:/NAME@ALIAS or models:/NAME/VERSION"
NEAREST, MOST = 3, 12  # names that an error shows
_ID = re.compile(r"[0-9a-f]{1,32}")


def run_folder(name: str, uri: str | None = None, *, journal: bool = False) -> Path:
    """The folder of a run: by its path, its name (the newest of that name), its key, its MLflow id, or a prefix.

    Also by models:/NAME@ALIAS or models:/NAME/VERSION. A run that is not on this machine is fetched from the tracking
    store at `uri` (None: the configured one) into mlruns/fetched/<run id>/, which has no journal: with `journal` it is
    refused. Raises ConfigError with the nearest names, TrackerError where the store does not answer.
    """
    found = _here(name) or _there(name, uri)
    if journal and not (found / "journal.jsonl").is_file():
        raise ConfigError(
            f"run {name!r} was made on another machine, and journals stay where a run was made: do it there."
        )
    return found


def _here(name: str) -> Path | None:
    """A folder of this machine's own; MLflow is not loaded for it."""
    if name.startswith(MODELS):
        return None
    if any((Path(name) / file).is_file() for file in ("journal.jsonl", "summary.json")):
        return Path(name)
    folders = _folders()
    if named := [path for path in folders if told(path, "record.json", "name") == name]:
        return _newest(name, named)
    begun = [path for path in folders if path.name.startswith(name)] or [
        path for path in folders if _ID.fullmatch(name) and told(path, "published.json", "run_id").startswith(name)
    ]
    if len(begun) > 1:
        raise ConfigError(f"{name!r} is the start of {len(begun)} runs: {', '.join(path.name for path in begun)}")
    return begun[0] if begun else None


def _folders() -> list[Path]:
    return [path for path in (mlruns() / "runs").glob("*/") if (path / "journal.jsonl").is_file()]


def _newest(name: str, named: list[Path]) -> Path:
    newest = max(named, key=lambda path: path.stat().st_mtime)
    if len(named) > 1:
        print(f"{len(named)} runs are called {name!r}; this is the newest, {newest.name}", file=sys.stderr)
    return newest


def _there(name: str, uri: str | None) -> Path:
    """A run that the tracking store has: its folder on this machine, where it was published from one, else fetched."""
    from evalkit.adapters.mlflow_fetch import RemoteRuns  # noqa: PLC0415  MLflow takes 2 s
    from evalkit.cli.store import store_uri  # noqa: PLC0415

    runs = RemoteRuns(store_uri(uri), str(home()))
    try:
        found = runs.registered(name) if name.startswith(MODELS) else runs.find(name)
    except TrackerError as error:
        if (kept := _fetched(name)) is None:
            raise TrackerError(f"no run {name!r} on this machine, and {error}{_near(name, _names())}") from error
        print(f"evalkit: {error}; {name!r} is as it was fetched last", file=sys.stderr)
        return kept
    if not found:
        raise ConfigError(f"no run {name!r}{_near(name, [*_names(), *runs.names()])} RUN is {FORMS}.")
    if len(found) > 1 and not all(one.name == name for one in found):
        ids = ", ".join(f"{one.name} ({one.run_id[:8]})" for one in found[:MOST])
        raise ConfigError(f"{name!r} is the start of {len(found)} runs: {ids}")
    if len(found) > 1:
        print(f"{len(found)} runs are called {name!r}; this is the newest, {found[0].run_id[:8]}", file=sys.stderr)
    run_id = found[0].run_id
    own = [path for path in _folders() if told(path, "published.json", "run_id") == run_id]
    return own[0] if own else runs.fetch(run_id, _kept() / run_id)


def _kept() -> Path:
    return mlruns() / "fetched"


def _fetched(name: str) -> Path | None:
    """What was fetched earlier, for when the store is away."""
    for path in sorted(_kept().glob("*/"), key=lambda one: -one.stat().st_mtime):
        keys = (told(path, "record.json", "name") == name, told(path, "record.json", "key") == name)
        if any(keys) or (len(name) > 1 and path.name.startswith(name)):
            return path
    return None


def _names() -> list[str]:
    """The names and keys of the runs on this machine."""
    return [one for path in _folders() for one in (told(path, "record.json", "name"), path.name) if one]


def _near(name: str, known: Iterable[str]) -> str:
    there = list(dict.fromkeys(known))
    if near := get_close_matches(name, there, NEAREST):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(there[:MOST]) + (f" and {len(there) - MOST} more" if len(there) > MOST else "")
    return f"; there: {shown or 'none yet'}."


def told(path: Path, file: str, key: str) -> str:
    """What one of a run's JSON files says; empty where it says nothing."""
    try:
        found = json.loads((path / file).read_bytes())
        return str(found[key]) if isinstance(found, Mapping) else ""
    except (OSError, ValueError, KeyError):
        return ""
