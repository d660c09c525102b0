"""Settings with several values: each value is looked at before the first cell begins, so that a slip spends nothing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode

from evalkit.cli.hydra_app import Composed, composed
from evalkit.cli.hydra_arguments import Arguments
from evalkit.cli.overrides import for_hydra
from evalkit.core.errors import ConfigError
from evalkit.core.sweep import factor
from evalkit.settings import read

BASIC = "BasicSweeper"  # other sweepers choose their values themselves
MOST = 50  # values of a setting that are looked at: each takes some 50 ms
SHOWN = ("cfg", "info", "hydra_help", "help", "shell_completion")  # flags with which nothing is run


def check_cells(given: Arguments) -> None:
    """Refuse cells of `evalkit run -m` that can never be run. Raises ConfigError with the first that is wrong."""
    several = given.asked.multirun or any(one.startswith(("hydra.mode=", "+sweeps=")) for one in given.overrides)
    if not several or any(getattr(given.asked, flag) for flag in SHOWN):
        return
    searched = searching(given.asked.config_dir)
    single = [one for one in given.overrides if not parsed(one).is_sweep_override()]
    composed([*searched, *single])
    hydra = HydraConfig.get()
    if BASIC not in str(hydra.sweeper._target_) or not (given.asked.multirun or hydra.mode is RunMode.MULTIRUN):
        return
    params: dict[str, Any] = {**(hydra.sweeper.get("params") or {})}
    written = [f"{name}={values}" for name, values in params.items()]
    sweeping = {factor(one)[0]: one for one in [*written, *given.overrides]}  # the command line's own go before
    fixed = {factor(one)[0] for one in single}
    kept = {name: one for name, one in sweeping.items() if name not in fixed}
    check_values([*searched, *single], kept, lambda cell: read(cell.config))


def check_values(
    fixed: Sequence[str],
    sweeping: Mapping[str, str],
    look: Callable[[Composed], object] = lambda _: None,
    *,
    known: Callable[[str, str], bool] = lambda _name, _value: False,
) -> None:
    """Compose the first cell, and one for each other value that is not `known` to be right, and `look` at them.

    `sweeping` are overrides of several values by setting. Raises ConfigError with the first that cannot be.
    """
    values = {name: values_of(parsed(one)) for name, one in sweeping.items()}
    if not all(values.values()):
        return  # the sweeper's to say
    first = {name: one_of(sweeping[name], each[0]) for name, each in values.items()}
    look(composed([*fixed, *first.values()]))
    for name, each in values.items():
        for value in each[1:MOST]:
            if not known(name, value):
                look(composed([*fixed, *(first | {name: one_of(sweeping[name], value)}).values()]))


def searching(config_dir: str | None) -> list[str]:
    """Hydra's --config-dir as an override."""
    return [f"hydra.searchpath=['file://{Path(config_dir).absolute()}']"] if config_dir else []


def parsed(override: str) -> Override:
    """As Hydra reads it. Raises ConfigError."""
    try:
        (found,) = OverridesParser.create().parse_overrides(for_hydra([override]))
    except HydraException as error:
        raise ConfigError(f"{override!r} is no override: {' '.join(str(error).split())}") from error
    return found


def values_of(override: Override) -> list[str]:
    """Nothing where they are the sweeper's to find: a glob, an interval."""
    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    try:
        return [str(value) for value in override.sweep_string_iterator()]
    except (HydraException, ValueError, NotImplementedError):
        return []


def one_of(override: str, value: str) -> str:
    """The override with one of its values."""
    return f"{override.partition('=')[0]}={value}"
