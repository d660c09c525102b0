"""Where evalkit's files lie: the user's own under EVALKIT_HOME first, then the installed ones, then plug-ins'."""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from evalkit.core.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent
# What a registered config brought along, while one is run. A variable, so that a sweep's processes have it too.
BUNDLE = "EVALKIT_BUNDLE"
PLUG_IN_GROUPS = ("evalkit.plugins", "evalkit.generators", "evalkit.rules")  # of entry points


def home() -> Path:
    """EVALKIT_HOME, or the current directory."""
    return Path(os.environ.get("EVALKIT_HOME") or Path.cwd()).absolute()


def refuse_missing_home() -> None:
    """Raise ConfigError where EVALKIT_HOME is no folder: a slip in it would hide all runs and settings quietly."""
    if home().is_dir():
        return
    near = get_close_matches(home().name, [path.name for path in _siblings(home()) if path.is_dir()], 1)
    hint = f"; did you mean {str(home().parent / near[0])!r}?" if near else "."
    raise ConfigError(f"EVALKIT_HOME is {str(home())!r}, which is no folder{hint} To begin there: mkdir -p {home()}")


def _siblings(path: Path) -> list[Path]:
    try:
        return list(path.parent.iterdir())
    except OSError:
        return []


def mlruns() -> Path:
    """The folder of all that runs leave behind."""
    return home() / "mlruns"


def cache() -> Path:
    """The folder of what can be fetched or built again: EVALKIT_CACHE, else as XDG says."""
    if named := os.environ.get("EVALKIT_CACHE"):
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evalkit"


def installed(name: str) -> Path:
    """The folder `conf`, `rubrics` or `sweeps` that came with evalkit: in the wheel, or beside a checkout's package."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


@lru_cache(maxsize=4)
def plugged(search_path: tuple[str, ...]) -> tuple[Path, ...]:  # noqa: ARG001  what the answer depends on
    """The packages of installed plug-ins (entry point group evalkit.plugins), found without importing any."""
    from importlib.metadata import entry_points  # noqa: PLC0415  scans all installed packages
    from importlib.util import find_spec  # noqa: PLC0415

    names = dict.fromkeys(point.value.split(":")[0].split(".")[0] for point in entry_points(group="evalkit.plugins"))
    specs = [find_spec(name) for name in sorted(names)]
    return tuple(Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ())


def plug_ins() -> dict[str, str]:
    """Installed packages that bring something, with their versions."""
    from importlib.metadata import entry_points  # noqa: PLC0415  as above

    points = [point for group in PLUG_IN_GROUPS for point in entry_points(group=group)]
    return {point.dist.name: point.dist.version for point in points if point.dist}


def plug_in_versions(packages: Collection[str]) -> dict[str, str]:
    """The versions of those packages, by package, that came with a plug-in."""
    if not packages:
        return {}
    from importlib.metadata import entry_points  # noqa: PLC0415  as above

    points = [point for group in PLUG_IN_GROUPS for point in entry_points(group=group)]
    brought = {point.value.split(":")[0].split(".")[0]: point.dist for point in points}
    return {name: dist.version for name, dist in sorted(brought.items()) if name in packages and dist}


def bundle() -> Path | None:
    """The folder of the registered config that is run (`from=models:/…`), None without one."""
    named = os.environ.get(BUNDLE)
    return Path(named) if named else None


@contextmanager
def bringing(folder: Path) -> Iterator[None]:
    """Meanwhile, what a registered config brought along in `folder` is found before all else."""
    before = os.environ.get(BUNDLE)
    os.environ[BUNDLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[BUNDLE]
        else:
            os.environ[BUNDLE] = before


def folders(name: str) -> list[Path]:
    """The folders called `name` that are there: a registered config's, the user's own, the installed one, plug-ins'.

    Plug-ins come last: what they bring is added to what evalkit has, and never takes its place unseen.
    """
    brought = bundle()
    found = [*([brought / name] if brought else []), home() / name, installed(name)]
    found += [package / name for package in plugged(tuple(sys.path))]
    return [path for path in dict.fromkeys(found) if path.is_dir()]


def skill_folders(name: str) -> list[str]:
    """Where skills are read from: all folders, but with a registered config that has skills, from there alone.

    A skill that came since would else go into prompts as well.
    """
    found = [conf / name for conf in folders("conf")]
    brought = bundle()
    own = brought / "conf" / name if brought else None
    return [str(own)] if own is not None and own.is_dir() else list(map(str, found))


def rubric_folders() -> list[str]:
    """Where rubrics are looked for."""
    return [str(path) for path in folders("rubrics")]


@dataclass(frozen=True)
class Places:
    """Finds the files that a config names."""

    def find(self, path: str) -> str:
        """The file at `path`: as it stands, under EVALKIT_HOME, or beside the config groups.

        Raises ConfigError that lists where it was looked for.
        """
        return self._found(path, Path.is_file, "file", "Give a path from here, or put the file there.")

    def folder(self, path: str) -> str:
        """The folder at `path`, looked for in the same places. Raises ConfigError that lists them."""
        return self._found(path, Path.is_dir, "folder", "Give a path from here.")

    def _found(self, path: str, is_it: Callable[[Path], bool], what: str, mend: str) -> str:
        wanted = Path(path).expanduser()
        roots = [
            Path.cwd(),
            home(),
            *(conf / group for conf in folders("conf") for group in ("dataset", ".")),
        ]
        tried = [wanted] if wanted.is_absolute() else [root / wanted for root in dict.fromkeys(roots)]
        for candidate in tried:
            if is_it(candidate):
                return str(candidate)
        looked = ", ".join(str(one.parent) for one in tried)
        raise ConfigError(f"no {what} {path!r}; looked in {looked}. {mend}")

    def names(self, group: str) -> list[str]:
        """The files of a config group, without their ending."""
        return sorted({path.stem for conf in folders("conf") for path in (conf / group).glob("*.yaml")})
