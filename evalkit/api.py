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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.adapters.data_frames import NUMBER, TEXT, TIME, WHOLE, YES_NO, frame
from evalkit.core.errors import ConfigError

if TYPE_CHECKING:  # pandas costs 0.5 s, which importing this module need not pay
    import pandas as pd

__all__ = ["Comparison", "attempt", "attempts", "compare", "instances", "phase_instances", "phases", "runs"]

Run: TypeAlias = str | Path

RUNS: Mapping[str, str] = {
    "key": TEXT, "name": TEXT, "id": TEXT, "kind": TEXT, "status": TEXT, "simulated": YES_NO, "experiment": TEXT,
    "dataset": TEXT, "ladder": TEXT, "solved_rate": NUMBER, "solved_rate_low": NUMBER, "solved_rate_high": NUMBER,
    "solved": WHOLE, "unsolved": WHOLE, "unfinished": WHOLE, "quarantined": WHOLE, "attempts_mean": NUMBER,
    "cost_usd": NUMBER, "tokens_prompt": WHOLE, "tokens_completion": WHOLE, "wall_seconds": NUMBER, "started": TIME,
}  # fmt: skip
INSTANCES: Mapping[str, str] = {
    "instance_id": TEXT, "epoch": WHOLE, "solved": YES_NO, "status": TEXT, "attempts": WHOLE, "attempts_needed": WHOLE,
    "rung": TEXT, "error_type": TEXT, "final_error": TEXT, "time_seconds": NUMBER, "cost_usd": NUMBER,
    "tokens_prompt": WHOLE, "tokens_completion": WHOLE,
}  # fmt: skip
ATTEMPTS: Mapping[str, str] = {
    "instance_id": TEXT, "epoch": WHOLE, "number": WHOLE, "rung": TEXT, "on_rung": WHOLE, "model": TEXT,
    "accepted": YES_NO, "skipped": YES_NO, "failure": TEXT, "cost_usd": NUMBER, "tokens_prompt": WHOLE,
    "tokens_completion": WHOLE, "seconds_model": NUMBER, "seconds_verifier": NUMBER, "prompt_digest": TEXT,
}  # fmt: skip
PHASES: Mapping[str, str] = {
    "phase": WHOLE, "name": TEXT, "instances": WHOLE, "judged": WHOLE, "solved": WHOLE, "unfinished": WHOLE,
    "quarantined": WHOLE, "solved_rate": NUMBER, "low": NUMBER, "high": NUMBER, "improvement": NUMBER,
    "attempts_mean": NUMBER, "seconds_mean": NUMBER, "cost_usd": NUMBER, "most_common_error": TEXT, "decision": TEXT,
    "rule": TEXT, "why": TEXT, "simulated": YES_NO, "runs": TEXT, "ended": TIME,
}  # fmt: skip
PHASE_INSTANCES: Mapping[str, str] = {
    "phase": WHOLE, "instance_id": TEXT, "epoch": WHOLE, "solved": YES_NO, "status": TEXT, "attempts": WHOLE,
    "attempts_needed": WHOLE, "error_type": TEXT, "final_error": TEXT, "time_seconds": NUMBER, "ladder": TEXT,
}  # fmt: skip
JUDGED = ("solved", "unsolved")


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
    rows = _rows(where, experiment, kind, limit)
    wanted = [row for row in rows if kind in (None, row.get("kind")) and experiment in (None, row.get("experiment"))]
    return frame(wanted[:limit], RUNS)


def instances(run: Run) -> "pd.DataFrame":
    """A run's climbs: a row an instance and epoch, columns as in INSTANCES.

    `solved` is missing where the climb was not judged (unfinished, quarantined), so that `.mean()` is the solved rate;
    `attempts_needed` and `rung` are there where it was solved. Raises ConfigError.
    """
    from evalkit.adapters.run_results import read_summary  # noqa: PLC0415  msgspec

    return frame((_climb(_fields(row)) for row in read_summary(_folder(run)).instances), INSTANCES)


def attempts(run: Run) -> "pd.DataFrame":
    """A run's attempts, in the order in which each climb made them, columns as in ATTEMPTS.

    A row with `skipped` is a rung that could not be asked, which is no attempt. What was asked and answered: `attempt`.
    Raises ConfigError, also for a ramp, whose attempts lie with the runs that `phases` names.
    """
    from evalkit.adapters.run_results import read_attempts, read_summary  # noqa: PLC0415  msgspec

    folder = _folder(run)
    if (folder / "sample.json").is_file():
        raise ConfigError(
            f"{run} is a ramp: its attempts lie with its runs, which phases({str(run)!r}) names in `runs`."
        )
    return frame(map(_fields, read_attempts(folder, read_summary(folder).instances)), ATTEMPTS)


def attempt(run: Run, instance_id: str, number: int, epoch: int = 1) -> dict[str, Any]:
    """One attempt whole, as docs/interface.md describes attempt_<N>.json: prompt, candidate, findings, verdict.

    `number` counts over the climb from 1. Raises ConfigError if there is no such attempt.
    """
    climb = _folder(run) / "instances" / instance_id / (f"epoch_{epoch}" if epoch > 1 else "")
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
    return frame((_phase(one) for one in _read_phases(_ramp(ramp))), PHASES)


def phase_instances(ramp: Run) -> "pd.DataFrame":
    """A ramp's results: a row a phase, instance and epoch, columns as in PHASE_INSTANCES; `solved` as of `instances`.

    A later phase holds the instances of the earlier ones too. Raises ConfigError.
    """
    found = _read_phases(_ramp(ramp))
    return frame(
        ({"phase": one.phase, **_climb(_fields(row))} for one in found for row in one.results), PHASE_INSTANCES
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

    sides = [Side(str(run), read_summary(_folder(run))) for run in (a, b)]
    refuse(sides, shared_only=shared_only, simulated=simulated)


def _outcomes(side: Any) -> dict[str, bool]:
    table = instances(side) if isinstance(side, str | Path) else side
    judged = table.dropna(subset=["solved"])
    return {str(name): 2 * float(share) > 1 for name, share in judged.groupby("instance_id")["solved"].mean().items()}


def _folder(run: Run) -> Path:
    """The folder of a run, or of a ramp by its path."""
    if (Path(run) / "summary.json").is_file():
        return Path(run)
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  most runs are given by their folder

    return run_folder(str(run))


def _ramp(ramp: Run) -> Path:
    """The folder of a ramp: by its path, its key, or its name (the newest). Raises ConfigError that lists them."""
    from evalkit.cli.runs_of import told  # noqa: PLC0415  as above
    from evalkit.places import mlruns  # noqa: PLC0415

    if (Path(ramp) / "sample.json").is_file():
        return Path(ramp)
    found = {
        path.parent: told(path.parent, "record.json", "name") for path in (mlruns() / "ramps").glob("*/record.json")
    }
    named = [path for path, name in found.items() if str(ramp) in (path.name, name)]
    if not named:
        known = ", ".join(sorted(f"{name} ({path.name})" for path, name in found.items())) or "none yet"
        raise ConfigError(f"no ramp {str(ramp)!r} in {mlruns() / 'ramps'}; there: {known}")
    return max(named, key=lambda path: path.stat().st_mtime)


def _read_phases(folder: Path) -> list[Any]:
    from evalkit.adapters.run_results import read_phases  # noqa: PLC0415  msgspec

    return read_phases(folder)


def _fields(row: Any) -> dict[str, Any]:
    """A frozen fact's fields; much faster than dataclasses.asdict, which copies deeply."""
    return {name: getattr(row, name) for name in row.__slots__}


def _climb(row: dict[str, Any]) -> dict[str, Any]:
    """`solved` only where the models were judged: an outage is no wrong answer."""
    return {
        **row,
        "status": str(row["status"]),
        "solved": row["status"] == "solved" if row["status"] in JUDGED else None,
    }


def _phase(found: Any) -> dict[str, Any]:
    summary, gate = found.summary, found.gate
    return {
        **_fields(summary),
        **_fields(gate),
        "phase": found.phase,
        "name": found.name,
        "instances": summary.total,
        "solved": summary.verified,
        "solved_rate": summary.success_rate,
        "improvement": summary.improvement_from_previous,
        "attempts_mean": summary.avg_attempts,
        "seconds_mean": summary.avg_time,
        "decision": str(gate.decision),
        "simulated": found.simulated,
        "runs": " ".join(found.runs),
        "ended": found.timestamp,
    }


def _rows(where: Any, experiment: str | None, kind: str | None, limit: int | None) -> list[dict[str, Any]]:
    if where is None or "://" in str(where):
        return _stored(where, experiment, kind, limit)
    return _in_folder(Path(where)) if isinstance(where, str | Path) else list(_of_folders(map(_folder, where)))


def _stored(where: Any, experiment: str | None, kind: str | None, limit: int | None) -> list[dict[str, Any]]:
    from evalkit.adapters.mlflow_runs import list_runs  # noqa: PLC0415  MLflow takes 2 s
    from evalkit.cli.store import store_uri  # noqa: PLC0415
    from evalkit.places import home  # noqa: PLC0415

    uri = store_uri(None if where is None else str(where))
    found = list_runs(uri, str(home()), experiment=experiment, kind=kind, limit=limit or 100_000)
    return [_flat(row) for row in found]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    rate = row["solved_rate"] or {}
    return {
        **row,
        **row["counts"],
        **{f"solved_rate{end}": rate.get(name) for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))},
        **{f"tokens_{part}": row["tokens"][part] for part in ("prompt", "completion")},
    }


def _in_folder(folder: Path) -> list[dict[str, Any]]:
    """Runs and ramps that have a summary, newest first. Raises ConfigError where there is no such folder."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is no folder, and no address of a tracking store (sqlite:///PATH, http://HOST:PORT)."
        )
    records = [path for part in ("runs", "ramps") for path in (folder / part).glob("*/record.json")]
    rows = list(_of_folders(path.parent for path in records if (path.parent / "summary.json").is_file()))
    return sorted(rows, key=lambda row: row["started"], reverse=True)


def _of_folders(folders: Iterable[Path]) -> Iterator[dict[str, Any]]:
    from datetime import UTC, datetime  # noqa: PLC0415  only here

    from evalkit.adapters.run_results import read_summary  # noqa: PLC0415  msgspec
    from evalkit.cli.runs_of import told  # noqa: PLC0415

    for folder in folders:
        found = read_summary(folder)
        began = (folder / "record.json").stat().st_mtime
        yield {
            **_flat(
                {
                    **_fields(found),
                    "solved_rate": _fields(found.solved_rate) if found.solved_rate else None,
                }
            ),
            "id": told(folder, "published.json", "run_id") or None,
            "experiment": told(folder, "published.json", "experiment") or None,
            "kind": told(folder, "record.json", "kind"),
            "dataset": found.dataset.name,
            "attempts_mean": found.attempts.get("mean"),
            "started": datetime.fromtimestamp(began, UTC),
        }
