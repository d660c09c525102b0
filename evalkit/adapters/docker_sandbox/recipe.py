"""What an image holds, as data, and the tag of what is built from it."""

import hashlib
import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import yaml

from evalkit.core.errors import ConfigError

FOLDER = "sandbox/image"
REPOSITORY = "evalkit"


class Finds(Protocol):
    """Finds the files that a config names."""

    def find(self, path: str) -> str:
        """The file's own path. Raises ConfigError where there is none."""
        ...

    def names(self, group: str) -> list[str]:
        """The files of a config group, without their ending."""
        ...


@dataclass(frozen=True)
class Recipe:
    """Debian packages, files (absolute path: text) and commands; or a Dockerfile, whose folder is the context."""

    name: str
    path: str
    description: str = ""
    suite: str = "bookworm"
    packages: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    run: tuple[str, ...] = ()
    dockerfile: str = ""

    @property
    def tag(self) -> str:
        """evalkit/NAME:DIGEST; another recipe of the same name is another image."""
        return f"{REPOSITORY}/{self.name}:{self.digest}"

    @property
    def digest(self) -> str:
        """12 hex digits over all that the image is made of; not over the description."""
        made_of = [self.suite, self.packages, self.files, self.run] if not self.dockerfile else self._context()
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def context(self) -> Path:
        """The Dockerfile's folder."""
        return Path(self.path).parent.joinpath(self.dockerfile).parent

    def _context(self) -> list[tuple[str, str]]:
        """Every file that a Dockerfile could copy, with its digest. Raises ConfigError without a Dockerfile."""
        if not (self.context / Path(self.dockerfile).name).is_file():
            raise ConfigError(f"{self.path}: no Dockerfile {self.dockerfile!r} beside it")
        inside = sorted(path for path in self.context.rglob("*") if path.is_file())
        return [
            (str(path.relative_to(self.context)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in inside
            if path != Path(self.path)
        ]


def find(name: str, places: Finds) -> Recipe | None:
    """The recipe of that name, the user's own first; None if there is none. Raises ConfigError with its faults."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name != name.lower():
        return None  # e.g. registry/name:tag, which is an image itself
    try:
        path = places.find(f"{FOLDER}/{name}.yaml")
    except ConfigError:
        return None
    return read(Path(path))


def read(path: Path) -> Recipe:
    """Read one recipe. Raises ConfigError with one line a fault."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as a recipe: {' '.join(str(error).split())}") from error
    if faults := [f"{path}: {_where(fault)}{fault.message}" for fault in _schema().iter_errors(data)]:
        raise ConfigError("\n".join(sorted(faults)))
    lists = {key: tuple(data.pop(key)) for key in ("packages", "run") if key in data}
    return Recipe(path.stem, str(path), **{**data, **lists})


def _where(fault: Any) -> str:
    return "".join(f"{part}: " for part in fault.absolute_path)


def _schema() -> jsonschema.Draft202012Validator:
    text = files("evalkit.schemas").joinpath("image.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))
