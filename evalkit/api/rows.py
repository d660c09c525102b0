"""What was recorded, as a table's rows."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.api.folders import folder_of
from evalkit.core.errors import ConfigError
from evalkit.core.types import JUDGED


def run_rows(where: Any, experiment: str | None, kind: str | None, limit: int | None) -> list[dict[str, Any]]:
    """Runs of a tracking store, of a folder `mlruns`, or those that are named. Raises ConfigError, TrackerError."""
    if where is None or "://" in str(where):
        return _stored(where, experiment, kind, limit)
    return _in_folder(Path(where)) if isinstance(where, str | Path) else list(_of_folders(map(folder_of, where)))


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
                    **plain(found),
                    "solved_rate": plain(found.solved_rate) if found.solved_rate else None,
                }
            ),
            "id": told(folder, "published.json", "run_id") or None,
            "experiment": told(folder, "published.json", "experiment") or None,
            "kind": told(folder, "record.json", "kind"),
            "dataset": found.dataset.name,
            "attempts_mean": found.attempts.get("mean"),
            "started": datetime.fromtimestamp(began, UTC),
        }


def plain(row: Any) -> dict[str, Any]:
    """A frozen fact's fields; much faster than dataclasses.asdict, which copies deeply."""
    return {name: getattr(row, name) for name in row.__slots__}


def climb_row(row: dict[str, Any]) -> dict[str, Any]:
    """`solved` only where the models were judged: an outage is no wrong answer."""
    return {
        **row,
        "status": str(row["status"]),
        "solved": row["status"] == "solved" if row["status"] in JUDGED else None,
    }


def phase_row(found: Any) -> dict[str, Any]:
    """A phase's results."""
    summary, gate = found.summary, found.gate
    return {
        **plain(summary),
        **plain(gate),
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
