"""The process that talks to MLflow while a run goes: `python -m evalkit.adapters.mlflow_worker`.

A process and not a thread: importing MLflow and writing to its store take 2 to 3 s of Python, which in the run's
own process would hold up the climbs. It reads one JSON message a line from stdin and answers on stdout. When stdin
ends before the run has, the run's process is gone: the MLflow run is marked as killed, to be resumed later.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import msgspec

from evalkit.adapters import mlflow_artifacts, mlflow_traces
from evalkit.adapters import mlflow_publish as publishing
from evalkit.adapters.mlflow_facts import first_tags
from evalkit.adapters.mlflow_store import experiment_id, load, open_store
from evalkit.core.errors import EvalkitError, TrackerError
from evalkit.core.ports import RunRecord
from evalkit.core.summary import InstanceRow

POLITE = 5  # of 19: the climbs go first
ANSWERED = frozenset({"check", "finish"})  # nobody reads answers to the rest, and a full pipe would stop the work
AGAIN_AFTER_S = 5.0  # between tries to reach a server that is away


class Worker:
    """One run's way into a store. One that is away is tried again; what it missed, `finish` makes up for."""

    def __init__(self, say: Callable[..., None], uri: str, experiment: str, home: str) -> None:
        self._say, self._uri, self._experiment, self._home = say, uri, experiment, home
        self._client: Any = None
        self._record: RunRecord | None = None
        self._run: Any = None
        self._here: set[str] = set()
        self._rows: list[InstanceRow] = []
        self._seen = self._began = 0
        self._points: list[tuple[str, float, int, int]] = []
        self._tried = -AGAIN_AFTER_S

    def check(self) -> None:
        """Find out that the store answers and the experiment takes runs. Raises TrackerError."""
        try:
            client = self._opened()
            experiment_id(client, self._experiment, self._uri, self._home)
        except EvalkitError:
            raise
        except Exception as error:
            raise publishing.translated(error, self._uri) from error

    def start(self, record: dict[str, Any], began: int) -> None:
        """Open the run, or find it again; `began` is in milliseconds since 1970."""
        self._record, self._began = msgspec.convert(record, RunRecord), began
        self._folder = Path(self._record.folder)
        self._reach()

    def progress(self, points: list[list[Any]], traces: list[dict[str, Any]]) -> None:
        """Send progress: (step, milliseconds, {name: value})s, and climbs to trace."""
        self._rows += [msgspec.convert(row, InstanceRow) for row in traces]
        self._points += [(name, value, when, step) for step, when, values in points for name, value in values.items()]
        self._reach()

    def finish(self, **how: Any) -> None:
        """Publish what the run folder holds. Raises TrackerError."""
        record = self._record
        if record is None:
            raise TrackerError("the run was never started")
        self._tried = -AGAIN_AFTER_S
        self._reach()
        publishing.publish(record.folder, self._uri, self._experiment, home=self._home, alive=self._beat(), **how)
        self._run = None

    def abandon(self) -> None:
        """Note that the run's process is gone."""
        if self._run is not None:
            self._client.set_terminated(self._run.info.run_id, status="KILLED")

    def _reach(self) -> None:
        """Open the run if need be and send what waits; a store that is away is left alone for a while."""
        if time.monotonic() - self._tried < AGAIN_AFTER_S:
            return
        try:
            if self._run is None:
                self._open()
            self._send()
        except Exception:  # noqa: BLE001  whatever MLflow raises, the run goes on; `finish` says what is missing
            self._tried = time.monotonic()

    def _open(self) -> None:
        client, record = self._opened(), self._record
        if record is None:
            return
        experiment = experiment_id(client, self._experiment, self._uri, self._home)
        run = publishing.open_run(client, record, experiment, self._began)
        if run.info.status != "RUNNING":
            publishing.reopen(client, run, record)
        publishing.describe(client, run, record, first_tags(record))
        self._seen = publishing.last_step(client, run.info.run_id) if "progress.attempts" in run.data.metrics else 0
        self._here = mlflow_traces.published(client, run)
        self._run = run

    def _opened(self) -> Any:
        if self._client is None:
            self._client = open_store(self._uri, self._home)
            self._say(alive=True)  # making a new store's tables takes as long as loading MLflow
        return self._client

    def _send(self) -> None:
        """A resumed run counts its old climbs again; those steps are in the store already."""
        publishing.log_points(
            self._client, self._run.info.run_id, [point for point in self._points if point[3] > self._seen]
        )
        self._points = []
        how: dict[str, Any] = {"here": self._here, "uri": self._uri, "alive": lambda: None}
        written = [row for row in self._rows if mlflow_artifacts.is_written(self._folder, row)]
        mlflow_traces.add(self._client, self._run, self._folder, written, **how)
        self._rows = []

    def _beat(self) -> Callable[[], None]:
        last = time.monotonic()

        def alive() -> None:
            nonlocal last
            if time.monotonic() - last > 1:
                last = time.monotonic()
                self._say(alive=True)

        return alive


def main() -> None:
    """Work until stdin ends."""
    say = _sayer(os.fdopen(os.dup(1), "w"))
    _silence()
    os.nice(POLITE)
    worker: Worker | None = None
    for message in _messages(sys.stdin):
        what = message.pop("do")
        if what == "open":
            worker = Worker(say, **message)
            load(message["uri"])  # while there is nothing to do yet
            say(alive=True)
            continue
        why = _why_not(partial(getattr(worker, what), **message))
        if what in ANSWERED:
            say(what=what, why=why)
    if worker is not None:
        _why_not(worker.abandon)
    os._exit(0)  # the orderly way takes 0.2 s, which the run's process would wait for


def _why_not(work: Callable[[], None]) -> str:
    """Do it; empty, or why it failed. A traceback here would be seen by nobody."""
    try:
        work()
    except EvalkitError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  said by the run's process
        return f"{type(error).__name__}: {error}"[:500]
    return ""


def _messages(lines: TextIO) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.endswith("\n"):  # else the writer died in the middle of it
            yield json.loads(line)


def _sayer(answers: TextIO) -> Callable[..., None]:
    def say(**told: object) -> None:
        with suppress(BrokenPipeError):  # the run's process is gone; the end of stdin says so too
            print(json.dumps(told), file=answers, flush=True)

    return say


def _silence() -> None:
    """MLflow, alembic and their libraries print what nobody asked for."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


if __name__ == "__main__":
    main()
