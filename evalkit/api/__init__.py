"""evalkit for notebooks and programs: runs, instances, attempts and phases as pandas tables.

    from evalkit import api
    api.runs()                                  # what was run
    api.instances("local-starter")              # one row a climb
    api.compare("single-starter", "local-starter").uplift

A run is named by its folder, or as on the command line (key, name, MLflow id or a prefix) under EVALKIT_HOME, which is
the current directory by default. A table always has the same columns, of the same types (docs/api.md). What is unknown
is missing (NaN, <NA>, NaT), never zero; money is in US dollars, time in seconds, rates are shares from 0 to 1 with the
bounds of a 95 % interval.

Wrong input raises evalkit.core.errors.ConfigError, a store that does not answer TrackerError: one line each that says
what to do.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.adapters.data_frames import TEXT, YES_NO, frame
from evalkit.api.columns import ATTEMPTS, INSTANCES, PHASE_INSTANCES, PHASES, RUNS
from evalkit.api.folders import Run, folder_of, ramp_of
from evalkit.api.rows import climb_row, phase_row, plain, run_rows
from evalkit.core.errors import ConfigError

if TYPE_CHECKING:  # pandas costs 0.5 s, which importing this module need not pay
    import pandas as pd

__all__ = ["Comparison", "attempt", "attempts", "compare", "instances", "phase_instances", "phases", "runs"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the instances that both judged, in pairs. `uplift` is B minus A in solved rate, from -1 to 1.

    `low` and `high` bound it (95 %), `p_value` is the exact McNemar test, two-sided. `conclusion` is better, worse,
    no_difference_shown, or cannot_show (too few instances differ for any test). `smallest_uplift` is what so many pairs
    show with a power of 80 %. `flips` has a row for each instance that only one solved: `instance_id`, `a`, `b`.
    """

    instances: int
    both: int
    only_a: int
    only_b: int
    neither: int
    uplift: float
    low: float
    high: float
    p_value: float
    conclusion: str
    smallest_uplift: float
    flips: "pd.DataFrame"


def runs(
    where: "str | Path | Sequence[Run] | None" = None,
    *,
    experiment: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
) -> "pd.DataFrame":
    """The runs, newest first: a row a run, columns as in RUNS.

    `where` is a tracking store's address (sqlite:///PATH, http://HOST:PORT), None for the one under EVALKIT_HOME; or a
    folder `mlruns`, whose finished runs and ramps are read without MLflow (`id` and `experiment` are then known of
    published ones only); or a list of runs, which keeps its order. `kind` is run, sweep, phase, ramp or comparison.
    Raises ConfigError, TrackerError.
    """
    rows = run_rows(where, experiment, kind, limit)
    wanted = [row for row in rows if kind in (None, row.get("kind")) and experiment in (None, row.get("experiment"))]
    return frame(wanted[:limit], RUNS)


def instances(run: Run) -> "pd.DataFrame":
    """A run's climbs: a row an instance and epoch, columns as in INSTANCES.

    `solved` is missing where the climb was not judged (unfinished, quarantined), so that `.mean()` is the solved rate;
    `attempts_needed` and `rung` are there where it was solved. Raises ConfigError.
    """
    from evalkit.adapters.run_results import read_summary  # noqa: PLC0415  msgspec

    return frame((climb_row(plain(row)) for row in read_summary(folder_of(run)).instances), INSTANCES)


def attempts(run: Run) -> "pd.DataFrame":
    """A run's attempts, in the order in which each climb made them, columns as in ATTEMPTS.

    A row with `skipped` is a rung that could not be asked, which is no attempt. What was asked and answered: `attempt`.
    Raises ConfigError, also for a ramp, whose attempts lie with the runs that `phases` names.
    """
    from evalkit.adapters.run_results import read_attempts, read_summary  # noqa: PLC0415  msgspec

    folder = folder_of(run)
    if (folder / "sample.json").is_file():
        raise ConfigError(
            f"{run} is a ramp: its attempts lie with its runs, which phases({str(run)!r}) names in `runs`."
        )
    return frame(map(plain, read_attempts(folder, read_summary(folder).instances)), ATTEMPTS)


def attempt(run: Run, instance_id: str, number: int, epoch: int = 1) -> dict[str, Any]:
    """One attempt whole, as docs/interface.md describes attempt_<N>.json: prompt, candidate, findings, verdict.

    `number` counts over the climb from 1. Raises ConfigError if there is no such attempt.
    """
    climb = folder_of(run) / "instances" / instance_id / (f"epoch_{epoch}" if epoch > 1 else "")
    path = climb / f"attempt_{number}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}. attempts({str(run)!r}) lists what there is.") from error
    return found


def phases(ramp: Run) -> "pd.DataFrame":
    """A ramp's phases in order, columns as in PHASES.

    `low` and `high` bound the rate at all gates at once, so that they are wider than a single run's; `improvement` is
    the rate minus the phase's before; `runs` names the folders in mlruns/runs/, apart by spaces. Raises ConfigError.
    """
    from evalkit.adapters.run_results import read_phases  # noqa: PLC0415  msgspec

    return frame((phase_row(one) for one in read_phases(ramp_of(ramp))), PHASES)


def phase_instances(ramp: Run) -> "pd.DataFrame":
    """A ramp's results: a row a phase, instance and epoch, columns as in PHASE_INSTANCES; `solved` as of `instances`.

    A later phase holds the instances of the earlier ones too. Raises ConfigError.
    """
    from evalkit.adapters.run_results import read_phases  # noqa: PLC0415  msgspec

    found = read_phases(ramp_of(ramp))
    return frame(
        ({"phase": one.phase, **climb_row(plain(row))} for one in found for row in one.results), PHASE_INSTANCES
    )


def compare(
    a: "Run | pd.DataFrame", b: "Run | pd.DataFrame", *, shared_only: bool = False, simulated: bool = False
) -> Comparison:
    """B against A on the instances that both judged; each is a run, or a table with `instance_id` and `solved`.

    An instance with several epochs counts as solved where most of them are. Raises ConfigError where nothing is shared,
    and for two runs on different instances without `shared_only`, or of which one is simulated without `simulated`.
    """
    from evalkit.core.power import smallest_uplift  # noqa: PLC0415  scipy costs 0.5 s
    from evalkit.core.stats import paired  # noqa: PLC0415

    if isinstance(a, str | Path) and isinstance(b, str | Path):
        _refuse(a, b, shared_only=shared_only, simulated=simulated)
    try:
        found = paired(_outcomes(a), _outcomes(b))
    except ValueError as error:
        raise ConfigError(f"{error}.") from error
    flips = [{"instance_id": name, "a": True, "b": False} for name in found.only_a]
    flips += [{"instance_id": name, "a": False, "b": True} for name in found.only_b]
    return Comparison(
        instances=found.instances,
        both=found.both,
        only_a=len(found.only_a),
        only_b=len(found.only_b),
        neither=found.neither,
        uplift=found.uplift.value,
        low=found.uplift.low,
        high=found.uplift.high,
        p_value=found.p_value,
        conclusion=found.conclusion,
        smallest_uplift=smallest_uplift(found.instances),
        flips=frame(flips, {"instance_id": TEXT, "a": YES_NO, "b": YES_NO}),
    )


def _refuse(a: Run, b: Run, *, shared_only: bool, simulated: bool) -> None:
    from evalkit.adapters.run_results import read_summary  # noqa: PLC0415  msgspec
    from evalkit.core.pairing import Side, refuse  # noqa: PLC0415

    sides = [Side(str(run), read_summary(folder_of(run))) for run in (a, b)]
    refuse(sides, shared_only=shared_only, simulated=simulated)


def _outcomes(side: Any) -> dict[str, bool]:
    table = instances(side) if isinstance(side, str | Path) else side
    judged = table.dropna(subset=["solved"])
    return {str(name): 2 * float(share) > 1 for name, share in judged.groupby("instance_id")["solved"].mean().items()}
