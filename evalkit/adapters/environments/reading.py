"""Recipes as YAML, checked as a whole: by the versions of a repository, or simply by name.

A file of the first form has the keys `repo`, `base` and `versions`; one of the second, like a mapping in the config,
has the environments' names as its keys.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import yaml

from evalkit.adapters.environments.inheriting import resolved
from evalkit.core.environment import Environment
from evalkit.core.errors import ConfigError

GROUP = "dataset"  # conf/dataset/NAME/*.yaml
OF_A_REPOSITORY = frozenset({"repo", "base", "versions"})  # a file without these keys has recipes by name
Recipes = str | list[str] | Mapping[str, Any]
Found = tuple[str, str, dict[str, Any]]  # where an environment is described, its name and its recipe


class Finds(Protocol):
    """Finds the files that a config names."""

    def find(self, path: str) -> str:
        """The file's own path. Raises ConfigError where there is none."""
        ...

    def names(self, group: str) -> list[str]:
        """The files of a config group, without their ending."""
        ...


def read(recipes: Recipes, places: Finds) -> dict[str, Environment]:
    """All environments by name. Raises ConfigError with one line a fault, of all files at once."""
    faults: list[str] = []
    if isinstance(recipes, Mapping):
        found = list(_by_name(recipes, "recipes", faults))
    else:
        named = [recipes] if isinstance(recipes, str) else recipes
        paths = [path for name in named for path in _paths(name, places)]
        found = [one for path in paths for one in _file(path, faults)]
    environments: dict[str, Environment] = {}
    for where, name, recipe in found:
        if name in environments:
            faults.append(f"{where}: {name!r} is described twice")
        if "test" not in recipe:
            faults.append(f"{where}: test: required, the command that runs the tests")
        else:
            environments[name] = Environment(name, **recipe)
    if faults:
        raise ConfigError("the recipes are wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
    return environments


def _paths(name: str, places: Finds) -> list[Path]:
    if name.endswith((".yaml", ".yml")):
        return [Path(places.find(name))]
    group = f"{GROUP}/{name}"
    if found := [Path(places.find(f"{group}/{one}.yaml")) for one in places.names(group)]:
        return found
    if found := sorted(Path(name).expanduser().glob("*.yaml")):
        return found
    raise ConfigError(
        f"recipes: {name!r} is neither a folder with recipes in conf/{GROUP}/ nor one at {str(Path(name).absolute())!r}"
    )


def _file(path: Path, faults: list[str]) -> Iterator[Found]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        faults.append(f"{path}: cannot be read as recipes: {' '.join(str(error).split())}")
        return
    if isinstance(data, Mapping) and not OF_A_REPOSITORY & data.keys():
        yield from _by_name(data, str(path), faults)
    else:
        yield from _by_version(data, path, faults)


def _by_version(data: Any, path: Path, faults: list[str]) -> Iterator[Found]:
    if wrong := list(_faults(data, _schema())):
        faults += [f"{path}: {fault}" for fault in wrong]
        return
    base = data.get("base", {})
    if "like" in base:
        faults.append(f"{path}: base: like: only versions start from another")
        return
    for version, recipe in resolved(data["versions"], base, f"{path}: versions", faults):
        yield f"{path}: versions: {version}", f"{data['repo']}@{version}", recipe


def _by_name(recipes: Mapping[str, Any], where: str, faults: list[str]) -> Iterator[Found]:
    if wrong := list(_faults(recipes, _schema("versions"))):
        faults += [f"{where}: {fault}" for fault in wrong]
        return
    for name, recipe in resolved(recipes, {}, where, faults):
        yield f"{where}: {name}", name, recipe


def _faults(data: object, schema: jsonschema.Draft202012Validator) -> Iterator[str]:
    if strange := list(_numbers(data, ())):
        yield from strange  # a schema speaks of keys that are text
        return
    for fault in sorted(schema.iter_errors(data), key=lambda one: [str(part) for part in one.absolute_path]):
        where = "".join(f"{part}: " for part in fault.absolute_path)
        if fault.validator == "additionalProperties":
            yield from _unknown(fault, where)
        elif fault.validator == "type" and isinstance(fault.instance, int | float):
            yield f"{where}{fault.message}; write it in quotes"
        else:
            yield f"{where}{fault.message}"


def _numbers(data: object, above: tuple[str, ...]) -> Iterator[str]:
    """YAML reads `3.10:` as the number 3.1."""
    if not isinstance(data, Mapping):
        return
    for key, value in data.items():
        if not isinstance(key, str):
            yield f"{''.join(f'{part}: ' for part in above)}the key {key!r} is no text; write it in quotes"
        else:
            yield from _numbers(value, (*above, key))


def _unknown(fault: jsonschema.ValidationError, where: str) -> Iterator[str]:
    known = list(fault.schema["properties"])  # type: ignore[index]  # the schema is ours: an object
    for key in fault.instance:  # type: ignore[union-attr]  # and so is the instance
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
            yield f"{where}{key}: unknown; {hint}"


@cache
def _schema(part: str = "") -> jsonschema.Draft202012Validator:
    """The schema of a file, or of one of its keys."""
    whole = json.loads(files("evalkit.schemas").joinpath("environment.json").read_text(encoding="utf-8"))
    if part:
        whole = {**whole["properties"][part], "$schema": whole["$schema"], "$defs": whole["$defs"]}
    return jsonschema.Draft202012Validator(whole)
