"""Ramp folders for tests, made of solutions the way a ramp makes them."""

from collections.abc import Sequence
from pathlib import Path

from evalkit.adapters.ramp_folder import RampFolder
from evalkit.core.gate import Gate, check
from evalkit.core.phase import PhaseResults, phase_summary, result_rows
from evalkit.core.tally import row
from evalkit.core.types import Solution
from tests.adapters.mlflow_builders import MadeRun


def made_ramp(home: Path, key: str, *phases: Sequence[Solution]) -> Path:
    """A ramp of these phases, whose summary is the last one's."""
    made = MadeRun(home, key=key)
    made.end(*phases[-1])
    place = home / "mlruns" / "ramps" / key
    place.parent.mkdir(parents=True, exist_ok=True)
    made.path.rename(place)
    (place / "sample.json").write_text("{}")
    previous = None
    for number, solutions in enumerate(phases, 1):
        rows = [row(one) for one in solutions]
        ruling = check(Gate(), rows)
        results = result_rows(rows)
        summary = phase_summary(results, ruling, [one.cost_usd for one in rows], previous)
        previous = summary.success_rate
        RampFolder(place).add(
            PhaseResults(
                number, "2026-01-01T00:00:00+00:00", {}, results, summary, ruling, f"p{len(rows)}", runs=(key,)
            )
        )
    return place
