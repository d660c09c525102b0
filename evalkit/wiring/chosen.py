"""What all parts of a wired config start from: the settings, as they were chosen and as they were read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.settings import Settings, build


@dataclass(frozen=True)
class Chosen:
    """`config` is the resolved config as plain data, `choices` the option chosen of each group.

    `only` are the instances of a ramp's phase, by id and in order; None: the sample.
    """

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    settings: Settings
    only: tuple[str, ...] | None = None

    def _build(self, group: str, **ports: object) -> Any:
        return build(self.config[group], group, ports)
