"""Overrides between a person's words and Hydra's: every key of a rung is overridden by its plain name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from evalkit.core.errors import ConfigError

# Every rung names its model, so that Hydra itself refuses the model of a rung that is not there.
OF_A_RUNG = re.compile(r"ladder\.rungs\.(?P<rung>[^.=]+)\.(?!model=)[^=]+=")
OF_THE_POLICY = re.compile(r"ladder\.on(\.[^=]+)?=")
FORCED = "++"


def for_hydra(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra wants them: a rung's key that its file leaves out, or one of `on` and `params`, is added."""
    return [FORCED + override if _may_be_new(override) else override for override in overrides]


def as_written(overrides: Sequence[str]) -> tuple[str, ...]:
    """Hydra's overrides as a person writes them; `for_hydra` of these is the same again."""
    return tuple(
        override.removeprefix(FORCED) if _may_be_new(override.removeprefix(FORCED)) else override
        for override in overrides
    )


def refuse_unknown_rungs(config: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Raise ConfigError where an override speaks of a rung that the ladder does not have."""
    rungs = (config.get("ladder") or {}).get("rungs") or {}
    there = [name for name, rung in rungs.items() if isinstance(rung, Mapping) and "model" in rung]
    for name in _rungs_of(overrides):
        if name not in there:
            near = get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(there) or 'none'}."
            raise ConfigError(f"no rung {name!r} in the ladder; {hint} A new one needs +ladder.rungs.{name}.model=…")


def _may_be_new(override: str) -> bool:
    return bool(OF_A_RUNG.match(override) or OF_THE_POLICY.match(override))


def _rungs_of(overrides: Sequence[str]) -> Iterator[str]:
    for override in overrides:
        if found := OF_A_RUNG.match(override.removeprefix(FORCED)):
            yield found["rung"]
