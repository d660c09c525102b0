"""Opening a tracking store: quiet, bounded in time, safe when several processes open a new one at once."""

import fcntl
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import unquote, urlsplit

from evalkit.adapters.mlflow_views import provide
from evalkit.core.errors import TrackerError

# Read by MLflow when it is imported or at its first request; what the user set stays.
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else MLflow's import hook and litellm's dead-lock offline
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # else a server's run prints two lines before our JSON
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; MLflow's own default keeps a run waiting for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
SQLITE = "sqlite:///"
MOST_SAID = 160  # characters of an error that nobody foresaw
# What errors of a server that is away say somewhere in their hundreds of characters, and in a person's words.
AWAY = {
    "Connection refused": "nothing answers there (connection refused)",
    "Name or service not known": "there is no such host",
    "name resolution": "there is no such host",
    "timed out": "no answer in time",
    "Connection reset": "the connection broke off",
    "RemoteDisconnected": "the connection broke off",
    "No route to host": "there is no way to that host",
}


def local_uri(home: str) -> str:
    """The address of the store under EVALKIT_HOME."""
    return f"{SQLITE}{Path(home).absolute()}/mlruns/mlflow.db"


def sqlite_file(uri: str) -> Path | None:
    """The database file of a sqlite address, None for any other."""
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def open_store(uri: str, home: str) -> Any:
    """A client of the store at `uri`, created if it is sqlite and not there. Raises TrackerError."""
    quiet()
    try:
        with _alone(uri, home):
            load(uri)
            from mlflow import MlflowClient  # noqa: PLC0415  costs 1.5 s

            logging.getLogger("alembic").setLevel(logging.ERROR)
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except OSError as error:
        raise TrackerError(
            f"{uri}: {error.strerror or error}. Make the folder writable, or set tracker.uri."
        ) from error


@dataclass(frozen=True)
class Store:
    """A store that is opened, which takes seconds, when it is first asked; `uri` and `home` as in open_store."""

    uri: str
    home: str

    @cached_property
    def _client(self) -> Any:
        return open_store(self.uri, self.home)


def load(uri: str) -> None:
    """Import what MLflow needs for this store; collecting garbage meanwhile would take half as long again."""
    quiet()
    collecting = gc.isenabled()
    gc.disable()
    import_module("mlflow" if uri.startswith("http") else "mlflow.store.tracking.sqlalchemy_store")
    gc.freeze()
    if collecting:
        gc.enable()


def quiet() -> None:
    """Say to MLflow, before it is imported, to be silent and not to wait for long."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(logging.ERROR)


@contextmanager
def _alone(uri: str, home: str) -> Iterator[None]:
    """Create a sqlite store once: of several processes that open a new one at once, all but one die."""
    file = sqlite_file(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with lock(file):
        there = file.exists()
        yield
        if not there:
            _create(uri, file, home)


def lock(database: Path) -> Any:
    """An open file that holds the lock under which a sqlite store is created, until it is closed."""
    held = database.with_name(f".{database.name}.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _create(uri: str, file: Path, home: str) -> None:
    """Make the tables, and switch (for good) to write-ahead logging: readers and writers do not wait."""
    import sqlite3  # noqa: PLC0415  only a new store needs it

    from mlflow import MlflowClient  # noqa: PLC0415  costs 1.5 s

    MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    artifacts(uri, home).mkdir(parents=True, exist_ok=True)


def artifacts(uri: str, home: str) -> Path:
    """Where a store that is no server keeps artifacts: beside a sqlite database, else under EVALKIT_HOME."""
    file = sqlite_file(uri)
    return (file.parent if file else Path(home).absolute() / "mlruns") / "artifacts"


def experiment_id(client: Any, name: str, uri: str, home: str) -> str:
    """The experiment called `name`, made if need be. Raises TrackerError if it cannot take runs."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return _create_experiment(client, name, uri, home)
    if found.lifecycle_stage == "deleted":
        raise TrackerError(
            f"the experiment {name!r} was deleted: `mlflow experiments restore -x {found.experiment_id}`, "
            "or choose another with tracker.experiment=NAME."
        )
    place = local_path(found.artifact_location)
    if place is not None and not place.parent.is_dir():
        raise TrackerError(
            f"the experiment {name!r} keeps artifacts in {place}, which is gone (was the project moved?). Put "
            "the folder back, or choose another experiment with tracker.experiment=NAME."
        )
    provide(client, found)
    return str(found.experiment_id)


def _create_experiment(client: Any, name: str, uri: str, home: str) -> str:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

    served = uri.startswith(("http://", "https://"))
    place = None if served else artifacts(uri, home).as_uri()
    try:
        client.create_experiment(name, artifact_location=place)
    except MlflowException:  # another process was faster
        if client.get_experiment_by_name(name) is None:
            raise
    found = client.get_experiment_by_name(name)
    provide(client, found)
    return str(found.experiment_id)


def local_path(location: str) -> Path | None:
    """The folder that an artifact location names, None if it is not on this machine's disk."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None


def find_run(client: Any, experiment: str, key: str, kind: str) -> Any | None:
    """The run that was published under `key`, or None. A run that the user deleted is not found."""
    wanted = f"tags.`evalkit.key` = '{key}' AND tags.`evalkit.kind` = '{kind}'"
    found = client.search_runs([experiment], wanted, max_results=1, order_by=["attributes.start_time ASC"])
    return found[0] if found else None


def failed(error: BaseException) -> str:
    """A store's error as one short line for a person."""
    text = str(error)
    if away := next((told for sign, told in AWAY.items() if sign in text), ""):
        return away
    first = text.split(" with url", 1)[0].split("\n", 1)[0]
    return shorten(f"{type(error).__name__}: {first}", MOST_SAID, placeholder=" …")
