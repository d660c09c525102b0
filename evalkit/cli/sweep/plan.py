"""What a sweep is before it runs: its name, what its cells share, what is swept, and the key made of these."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from evalkit.cli.hydra_app import Composed, composed, groups, options
from evalkit.cli.swept import BASIC, check_values, parsed, searching
from evalkit.core.digest import canonical
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.core.sweep import MEASURES, factor
from evalkit.identity import INCIDENTAL
from evalkit.places import folders
from evalkit.settings import read
from evalkit.wiring import Wired

SETTINGS = ("fail_fast", "objectives")  # of the key `sweep` in a sweep's file
MODES = {"-m", "--multirun", "hydra.mode=MULTIRUN"}


@dataclass(frozen=True)
class SweepPlan:
    """A sweep as its file and the command line describe it. Raises ConfigError before anything is spent."""

    name: str
    overrides: tuple[str, ...]
    config_dir: str | None = None  # Hydra's --config-dir

    def check(self) -> None:
        """Refuse what can never work."""
        self._refuse_one_run()
        wrong = [key for key in self.settings if key not in SETTINGS]
        if wrong:
            raise ConfigError(
                f"sweeps/{self.name}.yaml: sweep has no setting {wrong[0]!r}; there are {', '.join(SETTINGS)}"
            )
        self._check_objectives()
        self._check_storage()
        self._check_counts()
        try:
            self._check_swept()
        except ConfigError as error:
            if isinstance(error.__cause__, HydraException):  # anything else is the one cell's, which is told so
                raise ConfigError(f"{self._blamed(str(error))}{error}") from error

    @cached_property
    def swept(self) -> dict[str, str]:
        """Settings with their values, from the file and the command line."""
        return {name: factor(one)[1] for name, one in self._sweeping.items()}

    @cached_property
    def _sweeping(self) -> dict[str, str]:
        """The overrides of several values as they were written, by setting: the file's, then the command line's."""
        known = OmegaConf.to_container(self._hydra.sweeper, resolve=True)
        params = dict(known.get("params") or {}) if isinstance(known, dict) else {}
        told = [f"{name}={values}" for name, values in params.items()]
        return {factor(one)[0]: one for one in [*told, *(one for one in self.overrides if not self._is_fixed(one))]}

    @cached_property
    def fixed(self) -> tuple[str, ...]:
        """The overrides of the command line that hold for all cells."""
        return tuple(one for one in self.overrides if self._is_fixed(one))

    @cached_property
    def key(self) -> str:
        """The sweep's identity: its name and the run that it is without its params; more values change nothing."""
        return hashlib.sha256(canonical([self.name, self._shared()]).encode()).hexdigest()[:12]

    @cached_property
    def base(self) -> Composed:
        """What the cells share."""
        if len(self.fixed) == len(self._single):  # as most often: nothing of the file's params is narrowed
            return self._first[0]
        return composed([*self._named, *self.fixed])

    @property
    def config(self) -> Mapping[str, Any]:
        """The same as plain data, without the sweep's own settings."""
        return {name: value for name, value in self.base.config.items() if name != "sweep"}

    @property
    def settings(self) -> Mapping[str, Any]:
        """The sweep's own settings."""
        found = self.base.config.get("sweep") or {}
        if not isinstance(found, Mapping):
            raise ConfigError(f"sweeps/{self.name}.yaml: sweep is {found!r}; it must hold settings")
        return found

    @property
    def simulated(self) -> bool:
        """Whether the shared ladder's answers are scripted or replayed; its cells may still say otherwise."""
        return any(model.startswith(("scripted/", "replay/")) for model in self.models)

    @property
    def models(self) -> list[str]:
        """Of the shared ladder."""
        rungs = (self.config.get("ladder") or {}).get("rungs", {})
        return [str(rung.get("model", "")) for rung in rungs.values()]

    @property
    def is_parallel(self) -> bool:
        """Whether cells run in other processes."""
        return "BasicLauncher" not in str(self._hydra.launcher._target_)

    @property
    def launcher(self) -> str:
        """What starts the cells."""
        return str(self._hydra.runtime.choices.get("hydra/launcher", "basic"))

    @cached_property
    def cells(self) -> int | None:
        """How many cells there will be; None where that is the sweeper's to say."""
        sweeper = self._hydra.sweeper
        if "n_trials" in sweeper:
            return int(sweeper.n_trials)
        if BASIC not in str(sweeper._target_):
            return None
        try:
            parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in self.swept.items()])
            return math.prod(_count(one) for one in parsed)
        except (HydraException, ValueError, NotImplementedError):  # a glob; Hydra itself will count
            return None

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """What the sweeper is told of each cell: as many metrics as it has directions."""
        given = self.settings.get("objectives")
        if given is not None:
            return tuple([given] if isinstance(given, str) else map(str, given))
        return (
            ("solved_rate", "cost_usd")
            if len(self._directions) == len(("solved_rate", "cost_usd"))
            else ("solved_rate",)
        )

    def for_sweeper(self, folder: Path, *, fail_fast: bool) -> list[str]:
        """Overrides that make Hydra's sweeper leave its files in `folder`, and go on after a cell that failed."""
        given = [one.partition("=")[0] for one in self.overrides]
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        found = [] if "hydra.sweep.dir" in given else [f"hydra.sweep.dir='{quoted}'"]
        if self._hydra.sweeper.get("max_failure_rate") == 0 and not fail_fast:
            found.append("hydra.sweeper.max_failure_rate=1.0")
        return found

    @property
    def _directions(self) -> list[str]:
        found = self._hydra.sweeper.get("direction")
        many = OmegaConf.is_list(found)
        return [] if found is None else [str(getattr(one, "name", one)) for one in (found if many else [found])]

    def _check_storage(self) -> None:
        storage = str(self._hydra.sweeper.get("storage") or "")
        if storage.startswith("sqlite"):
            why = "the optuna that Hydra's sweeper pins fails on it. Leave it out: evalkit keeps the record"
            raise ConfigError(f"hydra.sweeper.storage: {storage!r}: {why}, and a sampler with a seed resumes")

    def _check_swept(self) -> None:
        """Look at the first cell, and for each option that others choose: a slip would end the sweep on the way."""
        if BASIC not in str(self._hydra.sweeper._target_):
            return  # the sweeper's to say
        there = groups()

        def known(name: str, value: str) -> bool:
            """Any other value is its cell's to refuse: the other cells go on."""
            return name not in there or value in options(name) or "/" in value or bool(self.config_dir)

        check_values([*self._named, *self.fixed], self._sweeping, known=known)

    def _blamed(self, text: str) -> str:
        """The sweep's file, where what is wrong is a setting of it; empty where the command line says it."""
        given = {factor(one)[0] for one in self.overrides}
        mine = any(name in text for name in self.swept if name not in given)
        return f"{self._path}: " if mine else ""

    @cached_property
    def _path(self) -> Path:
        return next(path for folder in folders("sweeps") if (path := Path(folder) / f"{self.name}.yaml").is_file())

    def _check_counts(self) -> None:
        """What is no part of a run's key makes no cells: each would overwrite the one before."""
        for name in self.swept:
            if name.partition(".")[0] in INCIDENTAL and name.partition(".")[0] != "dataset":
                raise ConfigError(
                    f"{self._blamed(name)}{name} changes how a run goes, not what comes of it: all its values are one "
                    "run, so there is nothing to sweep. Give it one value."
                )

    def _check_objectives(self) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  for a slip only

        for name in self.objectives:
            if name not in MEASURES:
                near = get_close_matches(name, MEASURES, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(MEASURES)}"
                raise ConfigError(f"sweep.objectives: no metric {name!r}; {hint}")
        directions = self._directions
        if directions and len(directions) != len(self.objectives):
            told = f"{len(directions)} directions for {len(self.objectives)} objectives ({', '.join(self.objectives)})"
            raise ConfigError(f"hydra.sweeper.direction: {told}. Name as many: sweep: {{objectives: […]}}")
        for name, direction in zip(self.objectives, directions, strict=False):
            if name == "solved_rate" and direction == "minimize":
                raise ConfigError(
                    "hydra.sweeper.direction: minimize would look for the worst solved_rate; "
                    "set it to maximize, or to [maximize, minimize] for solved_rate and cost_usd"
                )

    @property
    def _hydra(self) -> Any:
        """Hydra's own config, with the params of the sweep's file."""
        return self._first[1]

    @cached_property
    def _first(self) -> tuple[Composed, Any]:
        return composed([*self._named, *self._single]), HydraConfig.get()

    @cached_property
    def _single(self) -> tuple[str, ...]:
        """The overrides of the command line that give one value."""
        return tuple(one for one in self.overrides if not parsed(one).is_sweep_override())

    @property
    def _named(self) -> list[str]:
        return [f"+sweeps={self.name}", *searching(self.config_dir)]

    def _is_fixed(self, override: str) -> bool:
        """One value for a key of the file's params narrows the sweep, and does not make it another."""
        if parsed(override).is_sweep_override():
            return False
        params = self._hydra.sweeper.get("params") or {}
        return factor(override)[0] not in {factor(str(name))[0] for name in params}

    def _shared(self) -> object:
        config = self.config
        try:
            return Wired(config, self.base.choices, read(config)).key
        except EvalkitError:  # what is swept makes it whole, such as the path of a dataset
            return {name: value for name, value in config.items() if name not in INCIDENTAL or name == "dataset"}

    def _refuse_one_run(self) -> None:
        """A sweep's file without Hydra's word for several runs would be one run, without its params."""
        path = self._path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if "@package" not in "".join(line for line in text.splitlines() if line.startswith("#")):
            raise ConfigError(f"{path} is for no package, so none of it would count. First line: # @package _global_")
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
        hydra = content.get("hydra") if isinstance(content, dict) else None
        mode = hydra.get("mode") if isinstance(hydra, dict) else None
        if mode != "MULTIRUN" and not MODES & set(self.overrides):
            said = "has no hydra.mode" if mode is None else f"has hydra.mode {mode!r}"
            raise ConfigError(f"{path} {said}, and would be one run. Add under `hydra:` the line `mode: MULTIRUN`.")


def _count(override: Override) -> int:
    return len(list(override.sweep_string_iterator())) if override.is_sweep_override() else 1
