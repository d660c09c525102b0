"""The runs in a tracking store, as rows; other tools' runs are left out."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.adapters.mlflow_sqlite import SchemaError, StoredRun, read_runs
from evalkit.adapters.mlflow_store import failed, open_store, sqlite_file
from evalkit.core.errors import ConfigError, EvalkitError, TrackerError
from evalkit.core.types import Status

PAGE = 200
PARAMS = ("dataset", "ladder")
Found: TypeAlias = tuple[list[str], list[StoredRun]]  # the experiments' names, and runs
SOLVED_ON, FAILURE = "solved_on.", "failure."


def list_runs(
    uri: str, home: str, *, experiment: str | None = None, kind: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """List evalkit's runs, newest first. A store that was never made has none.

    Raises TrackerError if the store does not answer, ConfigError if it has no such experiment.
    """
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return []
    names, found = _by_sql(file, experiment, kind, limit) or _by_mlflow(uri, home, experiment, kind, limit)
    if experiment is not None and experiment not in names:
        known = ", ".join(repr(name) for name in names)
        raise ConfigError(f"no experiment {experiment!r} in the store; there are {known}.")
    return [as_row(run) for run in found]


def _by_sql(file: Path | None, experiment: str | None, kind: str | None, limit: int) -> Found | None:
    """None where the store is no sqlite file, or not of the form that is known here."""
    try:
        found = file and read_runs(file, experiment=experiment, kind=kind, limit=limit, params=PARAMS)
    except SchemaError:
        return None
    return found or None


def _by_mlflow(uri: str, home: str, experiment: str | None, kind: str | None, limit: int) -> Found:
    try:
        client = open_store(uri, home)
        names = {one.experiment_id: one.name for one in client.search_experiments(max_results=1000)}
        wanted = [number for number, name in names.items() if experiment in {None, name}]
        runs = islice(_runs(client, wanted, kind, limit), limit) if wanted else ()
        return list(names.values()), [_stored(run, names) for run in runs]
    except EvalkitError:
        raise
    except Exception as error:  # MLflow lets those of requests and SQLAlchemy through
        if not type(error).__module__.startswith(("mlflow.", "requests.", "sqlalchemy.", "urllib3.")):
            raise
        raise TrackerError(f"{uri} does not answer: {failed(error)}. Start it, or give another --uri.") from error


def _runs(client: Any, wanted: list[str], kind: str | None, limit: int) -> Iterator[Any]:
    query = f"tags.`evalkit.kind` = '{kind}'" if kind else "tags.`evalkit.key` LIKE '%'"
    token = None
    while True:
        page = client.search_runs(
            wanted, query, max_results=min(limit, PAGE), order_by=["attributes.start_time DESC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _stored(run: Any, experiments: Mapping[str, str]) -> StoredRun:
    """MLflow's run in the same form."""
    return StoredRun(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        experiment=experiments[run.info.experiment_id],
        started=run.info.start_time,
        metrics={name: value for name, value in run.data.metrics.items() if not isnan(value)},
        params=run.data.params,
        tags=run.data.tags,
    )


def as_row(run: StoredRun) -> dict[str, Any]:
    """A run as `evalkit runs --format json` shows it."""
    metrics, tags = run.metrics, run.tags
    return {
        "id": run.id,
        "name": run.name,
        "key": tags.get("evalkit.key"),
        "kind": tags.get("evalkit.kind"),
        "status": tags.get("evalkit.status", "unfinished"),
        "running": run.status == "RUNNING",
        "simulated": tags.get("evalkit.simulated") == "true",
        "experiment": run.experiment,
        **{name: run.params.get(name) for name in PARAMS},
        "solved_rate": _rate(metrics),
        "counts": {str(name): int(metrics[name]) for name in Status if name in metrics},
        "attempts_mean": metrics.get("attempts_mean"),
        "solved_on": _whole(metrics, SOLVED_ON),
        "failures": _whole(metrics, FAILURE),
        "cost_usd": metrics.get("cost_usd"),
        "tokens": {part: _int(metrics.get(f"tokens_{part}")) for part in ("prompt", "completion")},
        "wall_seconds": metrics.get("wall_seconds"),
        "started": _iso(run.started),
    }


def _rate(metrics: dict[str, float]) -> dict[str, float] | None:
    if "solved_rate" not in metrics:
        return None
    low, high = metrics.get("solved_rate_low"), metrics.get("solved_rate_high")
    return {"value": metrics["solved_rate"], "low": low, "high": high}  # type: ignore[dict-item]  # they come as one


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _whole(metrics: dict[str, float], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): int(value) for name, value in metrics.items() if name.startswith(prefix)}


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
