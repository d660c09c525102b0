"""Hydra as evalkit starts it: the user's conf/ first, errors with the nearest names, no traceback for a typo."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from evalkit.cli import elsewhere, from_registry
from evalkit.cli.explain import explain
from evalkit.cli.hydra_arguments import parsed
from evalkit.cli.overrides import as_written, for_hydra, refuse_unknown_rungs
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.places import folders, installed, mlruns

EXTRAS = ("joblib", "optuna", "ray", "submitit")  # what brings Hydra's launchers and sweepers of these names
PLUGIN = re.compile(rf"Could not find 'hydra/(?:launcher|sweeper)/((?:{'|'.join(EXTRAS)})\w*)'")
ON_AS_TRUE = re.compile(r"^ *true:", re.MULTILINE)
REFUSED = (HydraException, OmegaConfBaseException, YAMLError)


@dataclass(frozen=True)
class Composed:
    """A resolved config as plain data, the option chosen of each group, and the overrides that made it."""

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    overrides: tuple[str, ...]


class UserFirst(SearchPathPlugin):
    """Lets EVALKIT_HOME/conf go before the installed conf; with_sweeps, finds sweeps/ of both."""

    with_sweeps = False  # Hydra makes the instance, hence an attribute of the class

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it sets its search path up."""
        found = folders("conf")
        own = found.index(installed("conf"))
        for path in reversed(found[:own]):  # the last that is put in front is searched first
            search_path.prepend("evalkit-home", f"file://{path}")
        for path in found[own + 1 :]:
            search_path.append("evalkit-plugin", f"file://{path}")
        # A search path is a whole folder, here the user's own: Hydra's --help and --info would look through all of it.
        for path in folders("sweeps") if self.with_sweeps else []:
            search_path.append("evalkit-sweeps", f"file://{path.parent}")


def launch(argv: Sequence[str], prog: str, job: Callable[[Composed], "int | Ended"], primary: str = "run") -> int:
    """Run a Hydra application over `argv`; the worst exit code of its jobs.

    `job` is called once a composed config: once, or once a cell with `-m`, there perhaps in another process, so it must
    be of a module's own. Its `refused(overrides, error)`, if it has one, hears of what it raised and of what never
    became a config. `primary` is the primary config's name. Raises ConfigError for what Hydra refuses.
    """
    with from_registry.opened(argv) as rest:
        return _launch(rest, prog, job, primary)


def _launch(argv: Sequence[str], prog: str, job: Callable[[Composed], "int | Ended"], primary: str) -> int:
    _register(with_sweeps=any(argument.startswith("+sweeps=") for argument in argv))
    saved = sys.argv
    given = parsed(argv, prog)
    sys.argv = [prog, *for_hydra(given.in_order)]
    # Without it Hydra catches what a job raises, prints a traceback and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with elsewhere.carrying(mlruns() / "hydra") as carried:
        task = Task(job, carried)
        try:
            with _in_words() if given.asked.cfg else nullcontext():
                hydra_main(version_base="1.3", config_path=str(installed("conf")), config_name=primary)(task)()
        except REFUSED as error:
            raise _refusal(error, argv, primary) from error
        except (ValueError, OSError) as error:
            if (refused := _odd(error)) is None:
                raise
            raise refused from error
        finally:
            sys.argv = saved
        codes = [*task.codes, *carried.codes()]
    if task.refused and not codes:
        raise task.refused[0]
    return max([*codes, *(error.exit_code for error in task.refused)], default=0)


@dataclass(frozen=True)
class Ended:
    """A job's exit code, and what Hydra's sweeper is told of it, where that asks (optuna)."""

    code: int
    told: object = None


@dataclass
class Task:
    """What Hydra calls with each composed config: here, or in a process that a launcher started."""

    job: Callable[[Composed], "int | Ended"]
    carried: elsewhere.Carried
    codes: list[int] = field(default_factory=list)
    refused: list[EvalkitError] = field(default_factory=list)

    def __call__(self, config: DictConfig) -> object:
        """Do the job; what ends it is noted, since Hydra would announce it in words of its own and end other cells."""
        self.carried.settle()
        try:
            done = self.job(_resolved(config))
        except EvalkitError as error:
            if (refused := getattr(self.job, "refused", None)) is not None:
                refused(as_written(HydraConfig.get().overrides.task), error)
            elif HydraConfig.get().mode is RunMode.MULTIRUN:
                print(f"evalkit: {error}", file=sys.stderr)
            self._note(error)
            return None
        ended = done if isinstance(done, Ended) else Ended(done)
        self._note(ended.code)
        return ended.told

    def _note(self, code: "int | EvalkitError") -> None:
        if self.carried.is_away:
            self.carried.note(code.exit_code if isinstance(code, EvalkitError) else code)
        elif isinstance(code, EvalkitError):
            self.refused.append(code)
        else:
            self.codes.append(code)


def composed(overrides: Sequence[str], primary: str = "run") -> Composed:
    """Compose a config outside a Hydra application. Raises ConfigError for what Hydra refuses."""
    with from_registry.opened(overrides) as rest:
        return _compose(rest, primary)


def _compose(overrides: Sequence[str], primary: str) -> Composed:
    _register(with_sweeps=True)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(installed("conf"))):
            config = compose(primary, overrides=for_hydra(overrides), return_hydra_config=True)
            HydraConfig.instance().set_config(config)
            return _composed(config)
    except REFUSED as error:
        raise _refusal(error, overrides, primary) from error
    except (ValueError, OSError) as error:
        if (refused := _odd(error)) is None:
            raise
        raise refused from error


def _register(*, with_sweeps: bool) -> None:
    UserFirst.with_sweeps = with_sweeps
    Plugins.instance().register(UserFirst)


def _resolved(config: DictConfig) -> Composed:
    """The composed config. Raises ConfigError where it cannot be resolved, which Hydra would announce as the job's."""
    try:
        return _composed(config)
    except REFUSED as error:
        raise _refusal(error) from error


def _composed(config: DictConfig) -> Composed:
    runtime = HydraConfig.get()
    choices = {key: str(value) for key, value in runtime.runtime.choices.items() if not key.startswith("hydra/")}
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False, enum_to_str=True)
    if not isinstance(plain, dict):
        raise ConfigError("the config is no mapping")
    data = {str(key): _words(value) for key, value in plain.items() if key != "hydra"}
    refuse_unknown_rungs(data, runtime.overrides.task)
    missing = sorted(_missing(data, ""))
    if missing:
        raise ConfigError(f"these have no value yet: {', '.join(missing)}. Set them: {missing[0]}=…")
    return Composed(data, choices, (*from_registry.said(), *as_written(runtime.overrides.task)))


def _words(data: object) -> object:
    """Keys as a person wrote them: YAML 1.1 reads an unquoted `on:` as true."""
    if isinstance(data, list):
        return [_words(one) for one in data]
    if not isinstance(data, dict):
        return data
    words = {key: _words(value) for key, value in data.items() if key is not True}
    if True not in data:
        return words
    return {**words, "on": {**_mapping(_words(data[True])), **_mapping(words.get("on"))}}


@contextmanager
def _in_words() -> Iterator[None]:
    """What Hydra prints of a config meanwhile has the keys as they were written, so that it can be loaded again."""
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        text = printed.getvalue()
        if ON_AS_TRUE.search(text):
            package = text.partition("\n")[0] + "\n" if text.startswith("#") else ""
            words = _mapping(_words(OmegaConf.to_container(OmegaConf.create(text))))
            text = package + OmegaConf.to_yaml(OmegaConf.create(dict(words)))
        print(text, end="")


def _mapping(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def _missing(data: object, where: str) -> list[str]:
    if data == "???":
        return [where]
    if not isinstance(data, dict):
        return []
    return [name for key, value in data.items() for name in _missing(value, f"{where}.{key}" if where else str(key))]


def _refusal(error: Exception, overrides: Sequence[str] = (), primary: str = "run") -> ConfigError:
    """What Hydra, OmegaConf or YAML holds against a config, in one line."""
    if isinstance(error, YAMLError):
        return ConfigError(f"a config file is no YAML: {' '.join(str(error).split())}")
    text = str(error).partition("Config search path:")[0].strip()
    if error.__cause__ is not None and str(error.__cause__).strip() not in text:
        text += f"\n{error.__cause__}"
    if found := PLUGIN.search(text):
        extra = next(name for name in EXTRAS if found[1].startswith(name))
        return ConfigError(f"hydra's {found[1]} is not installed: pip install 'evalkit[{extra}]'")
    return ConfigError(explain(text, options, lambda: [*keys(primary, overrides), *groups()]))


def _odd(error: ValueError | OSError) -> ConfigError | None:
    """In words what Hydra raises for `tracker=null`, OmegaConf for a file with a bare number; None for any other."""
    if str(error).startswith("Invalid loaded object type"):
        return ConfigError(f"a config file holds no mapping: {error}. Write `key: value` lines into it.")
    if not str(error).startswith("Config group override"):
        return None
    return ConfigError("a group is set to what names no option (null, a number, …); `tracker=none` does without one")


def options(group: str) -> list[str]:
    """The options of a config group."""
    return sorted({path.stem for conf in folders("conf") for path in (conf / group).glob("*.yaml")})


def groups() -> list[str]:
    """The config groups."""
    return sorted({path.name for conf in folders("conf") for path in conf.iterdir() if path.is_dir()})


def keys(primary: str = "run", overrides: Sequence[str] = ()) -> list[str]:
    """Every setting, dotted, of the config with the options that `overrides` choose."""
    choices = [one for one in overrides if one.partition("=")[0] in groups() and "," not in one]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(installed("conf"))):
            return sorted(leaves(OmegaConf.to_container(compose(primary, overrides=choices))))
    except (HydraException, OmegaConfBaseException):  # the hint is lost, not the error it belongs to
        return []


def leaves(data: object, where: str = "") -> dict[str, Any]:
    """A nested mapping's leaves by dotted name."""
    if not isinstance(data, dict) or (not data and where):
        return {where: data}
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= leaves(value, f"{where}.{key}" if where else str(key))
    return found


def sweep_names() -> list[str]:
    """The sweeps that are there."""
    return sorted({path.stem for folder in folders("sweeps") for path in Path(folder).glob("*.yaml")})
