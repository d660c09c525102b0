"""The frontier that evalkit simulate found, drawn."""

import hashlib
from pathlib import Path

from evalkit.cli.simulate.found import Simulation
from evalkit.core.errors import ConfigError
from evalkit.core.frontier import Point
from evalkit.core.simulate import spec_name
from evalkit.places import mlruns


def figures(simulation: Simulation, where: str | None) -> list[Path]:
    """Draw the frontier. Raises ConfigError where the place cannot be written."""
    from evalkit.adapters.figures_frontier import draw_frontier  # noqa: PLC0415  matplotlib loads for it alone

    if where is not None and Path(where).suffix not in (".png", ".svg"):
        raise ConfigError(f"--figure {where!r}: give a file that ends in .png or .svg")
    folder = mlruns() / "simulations" / _key(simulation)
    paths = [Path(where)] if where else [folder / "frontier.png", folder / "frontier.svg"]
    seen: dict[str, Point] = {}
    for one in simulation.shown:
        point = Point(one.name, one.outcome.cost.value, one.outcome.solved / one.outcome.climbs)
        seen.setdefault(one.name, point)
    line = [spec_name(spec) for spec in simulation.frontier]
    try:
        draw_frontier(
            paths,
            list(seen.values()),
            frontier=line,
            cloud=simulation.found.cloud,
            unit=simulation.pricing.axis,
            title=f"{len(simulation.evidence.units)} climbs, {simulation.found.ladders:,} ladders simulated",
        )
    except OSError as error:
        raise ConfigError(f"the picture cannot be written: {error}; name a place by --figure FILE") from error
    return paths


def _key(simulation: Simulation) -> str:
    text = "/".join(run.summary.key for run in simulation.runs)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
