"""from=models:/NAME@ALIAS: a registered config in the place of conf/run.yaml and its groups; overrides go on top.

The version's bundle becomes a folder that is searched before the user's own: its config as conf/run.yaml and one option
a group, under the name that the run had chosen; its rubrics and skills beside it. So whatever Hydra can do with a
config it can do with a registered one.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from evalkit.core.errors import ConfigError
from evalkit.places import bringing, bundle, home, installed
from evalkit.wiring import Wired

FROM, MODELS = "from=", "models:/"
FACTS, VERSION = "registered.json", "version.json"
TAG = "evalkit.from"
_INTERPOLATION = re.compile(r"(\\*)\$\{")


@contextmanager
def opened(argv: Sequence[str]) -> Iterator[list[str]]:
    """The arguments without `from=`; meanwhile what it names is found first. Raises ConfigError, TrackerError."""
    named = [argument for argument in argv if argument.lstrip("+").startswith(FROM)]
    rest = [argument for argument in argv if argument not in named]
    if not named:
        yield rest
        return
    name = named[0].lstrip("+").removeprefix(FROM).strip("'\"")
    if len(named) > 1 or "," in name or not name.startswith(MODELS):
        raise ConfigError(
            f"{named[-1]!r}: from= takes one model version: from=models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    with bringing(_brought(name, rest)):
        yield rest


def said() -> tuple[str, ...]:
    """`from=` with the very version, as a run's overrides record it; none without a registered config."""
    folder = bundle()
    return (f"{FROM}{_read(folder, VERSION)['uri']}",) if folder else ()


def tags(wired: Wired, overrides: Sequence[str]) -> dict[str, str]:
    """What a run is told of the version that it came from.

    Raises ConfigError where the dataset is not the registered one and nobody asked for another.
    """
    folder = bundle()
    if folder is None:
        return {}
    facts, uri = _read(folder, FACTS), _read(folder, VERSION)["uri"]
    given = [one for one in overrides if not one.startswith(FROM)]
    was, now = facts["dataset"]["digest"], wired.dataset.digest
    if was != now and not any(one.lstrip("+~").startswith("dataset") for one in given):
        raise ConfigError(
            f"the dataset {wired.dataset.name!r} is not what {uri} was measured on ({was[:12]}, now {now[:12]}). "
            f"Bring that back, or choose another on purpose: dataset={wired.choices.get('dataset', '…')}"
        )
    if not given and wired.key != facts["key"]:
        print(
            f"evalkit: {uri} was run {facts['key']}, and this is {wired.key}: an image's recipe, an environment, "
            "recorded answers or evalkit itself has changed since",
            file=sys.stderr,
        )
    return {TAG: uri}


def _brought(name: str, overrides: Sequence[str]) -> Path:
    """The version's bundle with its conf/, here."""
    from evalkit.adapters.mlflow_registry import Registry  # noqa: PLC0415  MLflow takes 2 s
    from evalkit.cli.fetched_models import bundle_of  # noqa: PLC0415

    registry = Registry(_store(overrides), str(home()))
    version = registry.version(name)
    folder = bundle_of(registry, version)
    _write(folder / VERSION, {"uri": version.uri, "name": version.name, "version": version.number})
    _as_conf(folder)
    return folder


def _store(overrides: Sequence[str]) -> str:
    """Where the version is looked for: the store that the run will be tracked in."""
    from evalkit.cli.store import store_uri  # noqa: PLC0415  MLflow's addresses

    given = dict(one.lstrip("+").split("=", 1) for one in overrides if one.lstrip("+").startswith("tracker"))
    if uri := given.get("tracker.uri", "").strip("'\""):
        return store_uri(uri)
    return store_uri(None, given.get("tracker", "local"))


def _as_conf(folder: Path) -> None:
    """Lay the resolved config out as Hydra's: the installed run.yaml with other choices and values."""
    config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    run: dict[str, Any] = yaml.safe_load((installed("conf") / "run.yaml").read_text(encoding="utf-8"))
    choices = {group: str(choice).replace("/", "_") for group, choice in _read(folder, FACTS)["choices"].items()}
    groups = {group: config.pop(group) for group in choices if isinstance(config.get(group), Mapping)}
    for group, node in groups.items():
        _write(folder / "conf" / group / f"{choices[group]}.yaml", _literal(node))
    defaults = [_chosen(one, {group: choices[group] for group in groups}) for one in run["defaults"]]
    _write(folder / "conf" / "run.yaml", {**run, **_literal(config), "defaults": defaults})


def _chosen(entry: Any, choices: Mapping[str, str]) -> Any:
    """An entry of the defaults list with the registered choice."""
    if not isinstance(entry, Mapping) or len(entry) != 1:
        return entry
    return {group: choices.get(group, option) for group, option in entry.items()}


def _literal(data: Any) -> Any:
    """As it is: what was resolved once is no interpolation again."""
    if isinstance(data, Mapping):
        return {key: _literal(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_literal(value) for value in data]
    return _INTERPOLATION.sub(r"\1\1\\${", data) if isinstance(data, str) else data


def _write(path: Path, content: object) -> None:
    """As JSON, which is YAML in which a text cannot be taken for a number; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(content, indent=1), encoding="utf-8")
    scratch.replace(path)


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / name}: {error}. Delete the folder: it is fetched again.") from error
    return dict(found)
