"""A ladder as a file of conf/ladder/, ready for `evalkit run ladder=NAME`."""

import re
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import yaml

from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Ladder, Rung
from evalkit.places import home

WRITTEN = "# Written by evalkit simulate"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def ladder_path(name: str) -> Path:
    """Where a ladder of this name lies. Raises ConfigError for what is no name, or a file that a person wrote."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"--write {name!r} is no name for a ladder; letters, digits, dot, dash and underscore")
    path = home() / "conf" / "ladder" / f"{name}.yaml"
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(WRITTEN):
        raise ConfigError(f"{path} is there, and evalkit simulate did not write it; choose a name by --write NAME")
    return path


def write_ladder(path: Path, ladder: Ladder, why: list[str]) -> None:
    """Write the ladder with its reasons at its head. Raises ConfigError where the place cannot be written."""
    rungs = {name: _settings(rung) for name, rung in ladder.rungs.items()}
    body = yaml.dump({"rungs": rungs, "on": dict(ladder.on)}, sort_keys=False, width=120, allow_unicode=True)
    head = "\n".join([WRITTEN + ".", *(f"# {line}" for line in why)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}\n{body}", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give EVALKIT_HOME a folder that can be written") from error


def _settings(rung: Rung) -> dict[str, Any]:
    """What differs from a rung's defaults, and always its attempts."""
    found: dict[str, Any] = {}
    for one in fields(rung):
        value = getattr(rung, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if value != default or one.name == "attempts":
            found[one.name] = _literal(value)
    if rung.price is not None:
        found["price"] = {name: value for name, value in asdict(rung.price).items() if value is not None}
    return found


def _literal(value: Any) -> Any:
    """OmegaConf takes `${` for an interpolation."""
    return value.replace("${", "\\${") if isinstance(value, str) else value
