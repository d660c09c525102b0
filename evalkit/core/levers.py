"""Which lever lifted: the main effects of a sweep's factors, and which of them act together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.errors import ConfigError
from evalkit.core.factors import Cell, Effect, Interaction, effects, interactions
from evalkit.core.pairing import Side
from evalkit.core.summary import Summary
from evalkit.core.types import JUDGED


@dataclass(frozen=True, slots=True)
class Levers:
    """Effects in the order of the factors; `interactions` the surest first. `cells` were taken in.

    `clustered` are the same effects where clusters, not instances, are taken for independent; empty without clusters.
    """

    cells: int
    effects: tuple[Effect, ...]
    clustered: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]

    @property
    def lifted(self) -> tuple[Effect, ...]:
        """What was shown to raise the solved rate, the largest first."""
        better = [one for one in self.effects if one.conclusion == "better"]
        return tuple(sorted(better, key=lambda one: -one.effect.value))


def levers(sides: Sequence[Side], choices: Sequence[Mapping[str, str]]) -> Levers:
    """The effects over these runs, each with its choice of every factor; the first run's are the baseline levels.

    Raises ConfigError where the runs are no cells of one sweep.
    """
    cells = [Cell(dict(chosen), *shares(side.summary)) for side, chosen in zip(sides, choices, strict=True)]
    traits = {name: one for side in sides for name, one in side.traits.items()}
    clusters = {name: one.cluster for name, one in traits.items() if one.cluster}
    try:
        by_cluster = effects(cells, clusters=clusters) if clusters else ()
        return Levers(len(cells), effects(cells), by_cluster, interactions(cells))
    except ValueError as error:
        raise ConfigError(f"these runs do not tell what their factors do: {error}") from error


def shares(summary: Summary) -> tuple[dict[str, float], int]:
    """Each judged instance's share of solved climbs, and of how many climbs that is at most: a cell's outcomes."""
    climbs: dict[str, list[bool]] = {}
    for row in summary.instances:
        if row.status in JUDGED:
            climbs.setdefault(row.instance_id, []).append(row.solved)
    return {name: sum(each) / len(each) for name, each in climbs.items()}, max(map(len, climbs.values()), default=1)
