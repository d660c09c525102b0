"""A sweep's finished cells: which runs they are, and what each chose of every factor."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from evalkit.adapters.sweep_folder import SweepFolder
from evalkit.cli.runs_of import told
from evalkit.cli.tables import counted
from evalkit.core.errors import ConfigError
from evalkit.core.sweep import Cell, State, factors
from evalkit.places import mlruns


@dataclass(frozen=True, slots=True)
class Sweep:
    """`choices` are by a run's folder: its level of every factor."""

    key: str
    name: str
    run_id: str
    folders: tuple[Path, ...]
    choices: Mapping[Path, Mapping[str, str]]


def sweep_of(name: str) -> Sweep:
    """The sweep of this key, name (the newest), MLflow id, or a prefix of key or id. Raises ConfigError.

    Runs that only carry the tag `evalkit.sweep` (made before sweeps had a folder) are found by it.
    """
    folders = [SweepFolder(path.parent) for path in (mlruns() / "sweeps").glob("*/sweep.json")]
    named = [one for one in folders if told(one.path, "sweep.json", "name") == name]
    newest = sorted(named, key=lambda one: -(one.path / "sweep.json").stat().st_mtime)[:1]
    begun = newest or [one for one in folders if one.path.name.startswith(name) or one.run_id.startswith(name)]
    if len(begun) > 1:
        raise ConfigError(f"{name!r} is the start of {len(begun)} sweeps: {', '.join(one.path.name for one in begun)}")
    if begun:
        found = begun[0]
        called = told(found.path, "sweep.json", "name") or found.path.name
        return _sweep(found.path.name, called, found.run_id, found.cells())
    tagged = _tagged(name)
    if not tagged:
        raise ConfigError(_unknown(name, folders))
    return _sweep(name, name, "", tagged)


def _sweep(key: str, name: str, run_id: str, cells: Sequence[Cell]) -> Sweep:
    """Of the finished cells; the others are said, never counted silently."""
    done = [cell for cell in cells if cell.state is State.COMPLETE and (_folder(cell) / "summary.json").is_file()]
    if others := len(cells) - len(done):
        print(f"{counted(others, 'cell')} of {len(cells)} left out: not complete", file=sys.stderr)
    choices = factors(done, [_settings(cell) for cell in done])
    folders = tuple(_folder(cell) for cell in done)
    return Sweep(key, name, run_id, folders, dict(zip(folders, choices, strict=True)))


def _folder(cell: Cell) -> Path:
    return mlruns() / "runs" / cell.key


def _settings(cell: Cell) -> dict[str, str]:
    """All params of a cell's run."""
    try:
        return dict(msgspec.json.decode((_folder(cell) / "record.json").read_bytes())["params"])
    except (OSError, msgspec.DecodeError, KeyError):
        return {}


def _tagged(name: str) -> list[Cell]:
    """The runs whose tag `evalkit.sweep` begins so, by the overrides that their tag `evalkit.cell` names."""
    found = []
    for path in sorted((mlruns() / "runs").glob("*/record.json"), key=lambda one: one.stat().st_mtime):
        tags = _tags(path)
        if tags.get("evalkit.sweep", "").startswith(name):
            state = State.COMPLETE if told(path.parent, "summary.json", "status") == "complete" else State.UNFINISHED
            found.append(Cell(tuple(tags.get("evalkit.cell", "").split()), path.parent.name, state))
    return found


def _tags(path: Path) -> dict[str, str]:
    try:
        return dict(msgspec.json.decode(path.read_bytes())["tags"])
    except (OSError, msgspec.DecodeError, KeyError):
        return {}


def _unknown(name: str, folders: Sequence[SweepFolder]) -> str:
    known = [one for folder in folders for one in (told(folder.path, "sweep.json", "name"), folder.path.name) if one]
    near = get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there: {', '.join(known) or 'none yet'}"
    return f"no sweep {name!r}; {hint}"
