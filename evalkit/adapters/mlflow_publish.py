"""Publishing: a run folder becomes an MLflow run. Doing it twice changes nothing.

What a store holds of a run is compared with what the folder says, and only the difference is sent. The tag
`evalkit.published` is written last and holds the digest of what was published, so that a publication that broke
off is taken up again, and a whole one is recognised by one request.
"""

import getpass
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isclose, nan
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from evalkit.adapters import mlflow_artifacts, mlflow_facts, mlflow_traces, mlflow_views
from evalkit.adapters.mlflow_facts import PARAM_LIMIT, TAG_LIMIT, cut
from evalkit.adapters.mlflow_store import experiment_id, failed, find_run, open_store
from evalkit.core.errors import ConfigError, TrackerError
from evalkit.core.ports import RunRecord
from evalkit.core.summary import Summary

DONE, MARKER = "evalkit.published", "published.json"
METRICS_A_BATCH, OTHERS_A_BATCH = 1000, 100  # MLflow's limits
POINTS = 300  # of a metric; a chart shows no more
DIGEST_SHOWN = 16  # hex digits of a dataset's digest; MLflow takes 36, its UI shows it everywhere


@dataclass(frozen=True)
class Published:
    """The MLflow run of a run folder; `changed` says whether anything was sent."""

    run_id: str
    changed: bool


def publish(
    run_dir: str,
    uri: str,
    experiment: str,
    *,
    home: str,
    traces: str = "failed",
    traces_at_most: int = 100,
    alive: Callable[[], None] = lambda: None,
) -> Published:
    """Bring a run folder to the store at `uri`. Raises TrackerError if the store does not take it.

    Raises ConfigError if the folder is no run's or its run has not ended. `alive` is called now and then.
    """
    folder = Path(run_dir)
    record, summary = read(folder)
    stamp = _stamp(folder, traces, traces_at_most)
    try:
        client = open_store(uri, home)
        run = open_run(client, record, experiment_id(client, experiment, uri, home), _began(folder))
        changed = run.data.tags.get(DONE) != stamp
        if changed:
            whole = describe(
                client, run, record, mlflow_facts.last_tags(record, summary, _links(client, run, folder, record))
            )
            _measure(client, run, folder, summary)
            mlflow_artifacts.put(client, run, folder, summary, whole=whole, alive=alive)
            rows = mlflow_traces.choose(summary, traces)
            mlflow_traces.put(client, run, folder, rows, most=traces_at_most, uri=uri, alive=alive)
            if traces == "all" and len(rows) <= traces_at_most:
                mlflow_traces.assess(client, run, rows, uri=uri, alive=alive)
            _end(client, run, folder, summary, stamp)
    except (TrackerError, ConfigError):
        raise
    except Exception as error:
        raise translated(error, uri) from error
    _mark(folder, uri, experiment, run.info.run_id)
    return Published(run.info.run_id, changed)


def translated(error: Exception, uri: str) -> Exception:
    """What to raise instead: MLflow lets exceptions of requests, SQLAlchemy and its own through; the rest are bugs."""
    known = ("mlflow.", "requests.", "sqlalchemy.", "urllib3.", "opentelemetry.")
    if type(error).__module__.startswith(known) or isinstance(error, OSError | NotImplementedError):
        return TrackerError(f"{uri} did not take it: {failed(error)}")
    return error


def read(folder: Path) -> tuple[RunRecord, Summary]:
    """What a run folder says of its run. Raises ConfigError with what is wrong with it."""
    record = read_record(folder)
    try:
        return record, msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    except FileNotFoundError:
        raise ConfigError(f"{folder}: the run has not ended. The command that started it continues it.") from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{folder / 'summary.json'}: {error}. The command that made the run makes it again."
        ) from error


def read_record(folder: Path) -> RunRecord:
    """What a run is. Raises ConfigError if the folder is no run's."""
    try:
        return msgspec.json.decode((folder / "record.json").read_bytes(), type=RunRecord)
    except FileNotFoundError:
        raise ConfigError(f"{folder}: not a run folder (no record.json). They lie in mlruns/runs/.") from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{folder / 'record.json'}: {error}. The command that made the run makes it again."
        ) from error


def open_run(client: Any, record: RunRecord, experiment: str, began: int) -> Any:
    """The MLflow run of this key, found again or made."""
    found = find_run(client, experiment, record.key, record.kind)
    if found is not None:
        return found
    tags, _ = cut({**mlflow_facts.first_tags(record), "mlflow.user": _user()}, TAG_LIMIT)
    first = dict(islice(tags.items(), OTHERS_A_BATCH))
    return client.create_run(experiment, start_time=began, run_name=record.name or record.key, tags=first)


def reopen(client: Any, run: Any, record: RunRecord) -> None:
    """Let an ended run go on: what was published of it no longer counts as the whole."""
    (Path(record.folder) / MARKER).unlink(missing_ok=True)
    client.set_tag(run.info.run_id, DONE, "no")
    client.update_run(run.info.run_id, status="RUNNING", name=record.name or record.key)


def _links(client: Any, run: Any, folder: Path, record: RunRecord) -> dict[str, str]:
    """Where in the UI a run's parts are seen, and those that it belongs to."""
    number = run.info.experiment_id
    page = f"#/experiments/{number}/runs/{run.info.run_id}"
    parts = {"instances": "artifacts/instances.json", "report": "artifacts/report.html", "traces": "traces"}
    if not (folder / "report.html").is_file():
        del parts["report"]
    found = {text: f"{page}/{part}" for text, part in {**parts, "progress": "model-metrics"}.items()}
    for group in ("sweep", "ramp"):
        if told := record.tags.get(f"evalkit.{group}"):
            others = mlflow_views.provide_group(client, number, group, told)
            found |= {f"its {group} as a table": others["table"], "as charts": others["charts"]}
    return found


def describe(client: Any, run: Any, record: RunRecord, tags: Mapping[str, str]) -> dict[str, str]:
    """Send the params, tags and dataset that are not there yet; returns whole what was too long for MLflow."""
    from mlflow.entities import Param, RunTag  # noqa: PLC0415  loaded with the client

    params, long_params = cut({name: str(value) for name, value in record.params.items()}, PARAM_LIMIT)
    tags, long_tags = cut(tags, TAG_LIMIT)
    # A param's first value stays: MLflow refuses another, and runs with equal keys compute the same.
    new_params = [Param(name, value) for name, value in params.items() if name not in run.data.params]
    new_tags = [RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name) != value]
    for start in range(0, max(len(new_params), len(new_tags)), OTHERS_A_BATCH // 2):
        part = slice(start, start + OTHERS_A_BATCH // 2)
        client.log_batch(run.info.run_id, params=new_params[part], tags=new_tags[part])
    if record.dataset and not run.inputs.dataset_inputs:  # a comparison has none of its own
        _name_dataset(client, run, record)
    return {**long_params, **long_tags}


def _name_dataset(client: Any, run: Any, record: RunRecord) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415  loaded with the client

    dataset = Dataset(
        name=record.dataset,
        digest=record.dataset_digest[:DIGEST_SHOWN],
        source_type="local",
        source=json.dumps({"uri": record.params.get("dataset.path", record.dataset)}),
        profile=json.dumps({"instances": record.instances, "sha256": record.dataset_digest}),
    )
    inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])]
    client.log_inputs(run.info.run_id, datasets=inputs)


def _measure(client: Any, run: Any, folder: Path, summary: Summary) -> None:
    """Send the metrics that are new or have changed, and the part of `progress.*` that did not arrive."""
    old, new = run.data.metrics, mlflow_facts.metrics(summary)
    # A resumed run may have no such failure any more; a metric cannot be taken back, but it can be zero.
    gone = {name: 0.0 for name in old if name.startswith("failure.") and name not in new}
    when = _time(folder / "summary.json")
    points = [(name, value, when, 0) for name, value in {**new, **gone}.items() if old.get(name) != value]
    log_points(client, run.info.run_id, points + _progress(client, run, folder, summary) + _series(client, run, folder))


def _series(client: Any, run: Any, folder: Path) -> list[tuple[str, float, int, int]]:
    """What series.json holds ({metric: [[step, value]]}) and the store does not."""
    path, points = folder / "series.json", []
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, values in told.items():
        known = client.get_metric_history(run.info.run_id, name) if name in run.data.metrics else []
        here = {(point.step, point.value) for point in known}
        points += [(name, value, _time(path), step) for step, value in values if (step, value) not in here]
    return points


def _progress(client: Any, run: Any, folder: Path, summary: Summary) -> list[tuple[str, float, int, int]]:
    rows = sorted(((_ended(folder, row), row) for row in summary.instances), key=itemgetter(0))
    last = len(rows)
    steps = list(mlflow_facts.progress((row for _, row in rows), last, stride(last)))
    if not steps or all(isclose(run.data.metrics.get(name, nan), value) for name, value in steps[-1][1].items()):
        return []
    seen = last_step(client, run.info.run_id)
    return [
        (name, value, rows[number - 1][0], number)
        for number, point in steps
        if number == last or number > seen
        for name, value in point.items()
    ]


def _ended(folder: Path, row: Any) -> int:
    try:
        return _time(mlflow_artifacts.climb_folder(folder, row.instance_id, row.epoch) / "summary.json")
    except FileNotFoundError:
        return _time(folder / "summary.json")


def stride(climbs: int) -> int:
    """Every how many climbs `progress.*` has points: each, then some 300 in all (a point costs 0.15 ms)."""
    return max(1, climbs // POINTS)


def last_step(client: Any, run_id: str) -> int:
    """The last step of `progress.*` that the store has, 0 if none."""
    return max((point.step for point in client.get_metric_history(run_id, "progress.attempts")), default=0)


def log_points(client: Any, run_id: str, points: list[tuple[str, float, int, int]]) -> None:
    """Send (name, value, milliseconds since 1970, step)s in as few requests as MLflow takes."""
    from mlflow.entities import Metric  # noqa: PLC0415  loaded with the client

    for start in range(0, len(points), METRICS_A_BATCH):
        part = points[start : start + METRICS_A_BATCH]
        client.log_batch(run_id, metrics=[Metric(*point) for point in part])


def _end(client: Any, run: Any, folder: Path, summary: Summary, stamp: str) -> None:
    tables = json.dumps([{"path": "instances.json", "type": "table"}])
    client.set_tag(run.info.run_id, "mlflow.loggedArtifacts", tables)
    status = mlflow_facts.RUN_STATUS.get(summary.status, "FAILED")
    client.set_terminated(run.info.run_id, status=status, end_time=_time(folder / "summary.json"))
    client.set_tag(run.info.run_id, DONE, stamp)


def _stamp(folder: Path, traces: str, most: int) -> str:
    """Digest of what is to be published: another summary, or other traces, are published again."""
    told = hashlib.sha256()
    _take(told, folder / "summary.json")
    told.update(f"{traces}/{most}".encode())
    if (folder / "report.html").is_file():
        _take(told, folder / "report.html")
    return told.hexdigest()[:16]


def _take(told: Any, path: Path) -> None:
    """A file into a digest, piece by piece: those of large runs are large."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            told.update(piece)


def _mark(folder: Path, uri: str, experiment: str, run_id: str) -> None:
    """Note in the folder where it was published; without it `evalkit publish` only asks the store again."""
    marker = {"summary": _digest(folder), "uri": uri, "experiment": experiment, "run_id": run_id}
    write_whole(folder / MARKER, json.dumps(marker, indent=2))


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all: a kill in between leaves the earlier one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def is_published(folder: Path, uri: str) -> bool:
    """Whether the folder's marker says that what it holds now is in the store at `uri`."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return bool(marker["summary"] == _digest(folder) and marker["uri"] == uri)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(folder: Path) -> str:
    told = hashlib.sha256()
    _take(told, folder / "summary.json")
    return told.hexdigest()[:16]


def _began(folder: Path) -> int:
    return _time(folder / "record.json")


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "unknown"
