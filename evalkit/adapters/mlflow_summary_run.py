"""A run that no model was asked for: a comparison's or a sweep's folder as an MLflow run, found again by its key."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evalkit.adapters import mlflow_views
from evalkit.adapters.mlflow_facts import RUN_STATUS, finite, first_tags
from evalkit.adapters.mlflow_publish import DONE, MARKER, describe, log_points, open_run, translated, write_whole
from evalkit.adapters.mlflow_store import experiment_id, open_store
from evalkit.core.errors import ConfigError, TrackerError
from evalkit.core.ports import RunRecord

FACTS = "summary_run.json"  # what the run is told beside its files, so that it can be published later
OWN = (FACTS, MARKER)  # not of interest to who looks at the artifacts
RUNNING = "running"
NOTE = "mlflow.note.content"
# What of a folder is worth opening first, where it is there.
OPENED = {
    "report": "report.html", "report as text": "report.md", "uplift": "figures/uplift.svg",
    "factors": "figures/factors.svg", "frontier": "frontier.png", "leaderboard": "leaderboard_table.json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SummaryRun:
    """What a summary run is called and says; `tables` names the artifacts that the UI's evaluation view opens."""

    experiment: str
    kind: str
    key: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    status: str = "complete"
    tables: Sequence[str] = ()


def publish_summary_run(
    folder: Path,
    *,
    uri: str,
    home: str,
    experiment: str,
    kind: str,
    key: str,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    status: str = "complete",
    tables: Sequence[str] = (),
) -> str:
    """Bring a folder to the store at `uri` as the run of this key and kind; returns the MLflow run's id.

    Every file in the folder becomes an artifact. Again with the same key updates the run: tags, metrics and files are
    replaced, a param keeps its first value (MLflow refuses another); the same again changes nothing. `status` is
    complete, unfinished, paused or stopped, or `running` for a run that is published again later. `tables` names files
    of the folder, of the form {"columns": […], "data": [[…]]}, for the UI's evaluation view.

    Raises TrackerError if the store does not take it; what was to be published then lies in the folder
    (`publish_again`).
    """
    told = SummaryRun(experiment, kind, key, name, dict(tags), dict(params), dict(metrics), status, list(tables))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FACTS, json.dumps(asdict(told), indent=2))
    return _publish(folder, told, uri, home)


def waits(folder: Path) -> bool:
    """Whether the folder was to be published and was not, since the store was away."""
    told, mark = folder / FACTS, folder / MARKER
    return told.is_file() and not (mark.is_file() and mark.stat().st_mtime_ns >= told.stat().st_mtime_ns)


def publish_again(folder: Path, *, uri: str, home: str, experiment: str | None = None) -> str:
    """Publish what an earlier `publish_summary_run` left in the folder. Raises ConfigError if there is nothing."""
    try:
        told = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        said = SummaryRun(**{**told, **({"experiment": experiment} if experiment else {})})
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder / FACTS}: {error}. The command that made the folder makes it again.") from error
    return _publish(folder, said, uri, home)


def _publish(folder: Path, told: SummaryRun, uri: str, home: str) -> str:
    stamp = _stamp(folder, told)
    try:
        client = open_store(uri, home)
        run = open_run(client, _record(folder, told), experiment_id(client, told.experiment, uri, home), _now())
        if run.data.tags.get(DONE) != stamp:
            _send(client, run, folder, told)
            _end(client, run, told, stamp)
    except (TrackerError, ConfigError):
        raise
    except Exception as error:
        raise translated(error, uri) from error
    _mark(folder, uri, told.experiment, run.info.run_id)
    return str(run.info.run_id)


def _record(folder: Path, told: SummaryRun) -> RunRecord:
    """As a run's: without a dataset of its own, and without climbs."""
    return RunRecord(
        key=told.key,
        name=told.name,
        kind=told.kind,
        folder=str(folder),
        experiment=told.experiment,
        params=told.params,
        tags=told.tags,
        dataset="",
        dataset_digest="",
        instances=0,
        climbs=0,
    )


def _send(client: Any, run: Any, folder: Path, told: SummaryRun) -> None:
    """Tags, params and metrics that differ, then all files; tag values that MLflow would cut go whole into a file."""
    record = _record(folder, told)
    tags = {**first_tags(record), "evalkit.status": "unfinished" if told.status == RUNNING else told.status}
    if told.tables:
        tags["mlflow.loggedArtifacts"] = json.dumps([{"path": name, "type": "table"} for name in told.tables])
    if told.tags.get(NOTE):
        tags[NOTE] = _linked(told.tags[NOTE], _links(client, run, folder, told))
    if run.info.run_name != told.name:
        client.update_run(run.info.run_id, name=told.name)
    whole = describe(client, run, record, tags)
    when, old = _now(), run.data.metrics
    points = [(name, value, when, 0) for name, value in finite(told.metrics).items() if old.get(name) != value]
    log_points(client, run.info.run_id, points)
    if whole:
        client.log_dict(run.info.run_id, whole, "long_values.json")
    for path in _files(folder):
        place = path.relative_to(folder).parent.as_posix()
        client.log_artifact(run.info.run_id, str(path), None if place == "." else place)


def _links(client: Any, run: Any, folder: Path, told: SummaryRun) -> dict[str, str]:
    """Where in the UI the folder's files are seen, and a sweep's cells beside each other."""
    number = run.info.experiment_id
    page = f"#/experiments/{number}/runs/{run.info.run_id}/artifacts"
    found = {text: f"{page}/{name}" for text, name in OPENED.items() if (folder / name).is_file()}
    if told.kind == "sweep":
        cells = mlflow_views.provide_group(client, number, "sweep", run.info.run_id)
        found |= {"its runs as a table": cells["table"], "as charts": cells["charts"]}
    return found


def _linked(note: str, links: Mapping[str, str]) -> str:
    """The note with the links behind its first paragraph: of what follows, the UI hides most."""
    first, _, rest = note.partition("\n\n")
    ways = " · ".join(f"[{text}]({address})" for text, address in links.items())
    return "\n\n".join(part for part in (first, ways, rest) if part)


def _end(client: Any, run: Any, told: SummaryRun, stamp: str) -> None:
    run_id = run.info.run_id
    if told.status != RUNNING:
        client.set_terminated(run_id, status=RUN_STATUS.get(told.status, "FAILED"))
    elif run.info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")
    client.set_tag(run_id, DONE, stamp)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in OWN)


def _stamp(folder: Path, told: SummaryRun) -> str:
    """Digest of all that is to be published."""
    digest = hashlib.sha256(json.dumps(asdict(told), sort_keys=True).encode())
    for path in _files(folder):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _mark(folder: Path, uri: str, experiment: str, run_id: str) -> None:
    """Note in the folder where it was published, as a run's folder does."""
    marker = {"uri": uri, "experiment": experiment, "run_id": run_id}
    write_whole(folder / MARKER, json.dumps(marker, indent=2))


def _now() -> int:
    return time.time_ns() // 1_000_000
