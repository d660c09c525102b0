"""A recipe made real: a folder with its packages, whole or not there at all."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from evalkit.adapters.environments.installing import for_another, into_venv, new_venv
from evalkit.core.environment import Built, Environment
from evalkit.core.errors import ConfigError, StorageError

Say = Callable[[str], None]
LAYOUT = 2  # of the folder; another one is built anew
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
DONE = "done"
VENV, PACKAGES, SITE = "venv", "packages", "site"
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Place:
    """Where a recipe's packages lie. `own`: they run under this machine's Python, as a virtual environment."""

    recipe: Environment
    folder: Path
    own: bool

    @property
    def empty(self) -> bool:
        """Whether nothing has to be made: the image holds it all."""
        return not self.own and not self.recipe.packages and not self.recipe.site

    def built(self) -> Built:
        """The environment, built if it was not. Raises ConfigError or SandboxError."""
        self.build(lambda _: None)
        python = str(self.folder / VENV / "bin" / "python") if self.own else "python"
        mounts = () if self.empty else (str(self.folder),)
        return Built(self.recipe, python, self._digest(), mounts, self._env())

    def build(self, say: Say) -> None:
        """Make what is missing; `say` gets a line before and after."""
        if self.empty:
            return
        if (self.folder / DONE).is_file():
            with suppress(OSError):  # another user's; its time says when it was last used
                os.utime(self.folder / DONE)
            return
        name, began = self.recipe.name, time.monotonic()
        try:
            _readable(self.folder.parent)
            with self._alone(say):
                if (self.folder / DONE).is_file():
                    return
                say(f"{name}: installing {len(self.recipe.packages)} packages")
                self._make()
        except OSError as error:
            raise StorageError(
                f"{name}: the cache {str(self.folder.parent)!r} could not be written ({error.strerror or error}); "
                "free some space, or name another folder in EVALKIT_CACHE"
            ) from error
        say(f"{name}: built ({time.monotonic() - began:.0f} s)")

    def _make(self) -> None:
        """In its final place, since a virtual environment knows its own path; what is not DONE is begun anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _readable(self.folder)
        recipe = self.recipe
        if self.own:
            new_venv(self.folder / VENV)
            into_venv(self.folder / VENV, recipe)
        else:
            for_another(recipe.python, self.folder / PACKAGES, recipe)
        for name, text in recipe.site.items():
            _lay(self.folder / SITE / name, text)
        (self.folder / DONE).write_text(f"{recipe.name}\n", encoding="utf-8")

    def _env(self) -> dict[str, str]:
        """The recipe's, and where Python finds the packages: a tree's own modules before any package."""
        named = dict(self.recipe.env)
        parts = [str(self.folder / SITE)] if self.recipe.site else []
        parts += [named["PYTHONPATH"]] if named.get("PYTHONPATH") else []
        parts += [str(self.folder / PACKAGES)] if self.recipe.packages and not self.own else []
        if parts:
            named["PYTHONPATH"] = os.pathsep.join(parts)
        return {"PATH": f"{self.folder / VENV / 'bin'}:{PATH}", **named} if self.own else named

    def _digest(self) -> str:
        told = {key: value for key, value in asdict(self.recipe).items() if key not in ("name", "description")}
        return _hash([LAYOUT, told, list(sys.version_info[:3]) if self.own else None])

    @contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        """Two processes may build at once: the second waits, and then finds it done."""
        with self.folder.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"{self.recipe.name}: another process is building it; waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def place(recipe: Environment, cache: Path) -> Place:
    """Where a recipe's packages lie or will lie: one folder for all recipes that install the same.

    Raises ConfigError where no Python can be meant.
    """
    own = not recipe.image and recipe.python in ("", OWN)
    if not own and not recipe.image:
        raise ConfigError(
            f"{recipe.name}: python {recipe.python!r} is not this machine's ({OWN}); name an image that has it "
            "(a recipe of conf/sandbox/image/ such as 'python39', or a container image)"
        )
    if recipe.packages and not own and not recipe.python:
        raise ConfigError(f"{recipe.name}: packages for the image {recipe.image!r} need `python`, its Python's version")
    # The virtual environment points to the Python that made it.
    python = [*sys.version_info[:3], sys.base_prefix] if own else recipe.python
    made_of = [LAYOUT, python, sorted(recipe.packages), dict(recipe.site)]
    return Place(recipe, cache.absolute() / _hash(made_of)[:16], own)


def _hash(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _readable(folder: Path) -> None:
    """A folder that other users may read: the sandbox's has no name that we know."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _lay(file: Path, text: str) -> None:
    for folder in reversed([one for one in file.parents if not one.exists()]):
        _readable(folder)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
