"""A run in MLflow while it goes: real stores, real servers, and stores that are away."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalkit.adapters.mlflow_publish import publish
from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.adapters.mlflow_tracker import MlflowTracker
from evalkit.core.errors import TrackerError
from tests.adapters.mlflow_builders import KEY, MIXED, MadeRun, dump, solved, unfinished
from tests.servers.ports import free_port

PATIENT_S = 120  # for what takes seconds on an idle machine


def climb(home, solutions, *, status="complete", climbs=3, uri=None, key=KEY) -> str:
    """A whole run under a tracker; what its `finish` says."""
    made, tracker = MadeRun(home, climbs, key=key), MlflowTracker(str(home), uri=uri)
    tracker.start(made.record)
    for solution in solutions:
        tracker.climbed(solution)
    return tracker.finish(made.end(*solutions, status=status))


def the_run(home):
    client = open_store(local_uri(str(home)), str(home))
    (run,) = client.search_runs([client.get_experiment_by_name("evalkit").experiment_id])
    return run, client


@pytest.mark.slow
def test_a_run_and_its_resumption_are_one_mlflow_run(tmp_path):
    assert climb(tmp_path, [MIXED[0], unfinished("b")], status="unfinished", climbs=2) == ""
    run, client = the_run(tmp_path)
    assert (run.info.status, run.data.tags["evalkit.status"]) == ("FAILED", "unfinished")

    assert climb(tmp_path, [MIXED[0], solved("b"), MIXED[2]]) == ""
    run, client = the_run(tmp_path)
    assert (run.info.status, run.data.tags["evalkit.status"]) == ("FINISHED", "complete")
    points = client.get_metric_history(run.info.run_id, "progress.solved")
    assert sorted({point.step for point in points}) == [1, 2, 3]
    assert run.data.metrics["progress.solved"] == run.data.metrics["solved"] == 2
    assert run.data.metrics["progress.unfinished"] == 0


@pytest.mark.slow
def test_four_processes_may_open_a_new_store_at_once(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda n: climb(tmp_path, MIXED, key=f"{n:012x}"), range(4)))

    assert said == [""] * 4
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as store:
        assert store.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone() == (4,)
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


KILLED = """
import os, sys
from pathlib import Path
from evalkit.adapters.mlflow_tracker import MlflowTracker
from tests.adapters.mlflow_builders import MIXED, MadeRun
made, tracker = MadeRun(Path(sys.argv[1])), MlflowTracker(sys.argv[1])
tracker.start(made.record)
tracker.climbed(MIXED[0])
os._exit(9)
"""


@pytest.mark.slow
def test_a_run_whose_process_is_killed_does_not_look_as_if_it_went_on(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    store = tmp_path / "mlruns" / "mlflow.db"

    def status():
        if not store.exists():
            return None
        with sqlite3.connect(store) as connection:
            try:
                return connection.execute("SELECT status FROM runs").fetchone()
            except sqlite3.OperationalError:  # its tables are being made
                return None

    until(lambda: status() == ("KILLED",))


def test_a_server_that_is_away_costs_the_run_nothing_but_a_line(tmp_path):
    uri = f"http://127.0.0.1:{free_port()}"
    said = climb(tmp_path, MIXED, uri=uri)

    assert f"evalkit publish {tmp_path}/mlruns/runs/{KEY}" in said
    assert uri in said
    assert "\n" not in said
    with pytest.raises(TrackerError, match=r"tracker\.uri"):
        MlflowTracker(str(tmp_path), uri=uri).check()


@pytest.mark.slow
def test_a_server_that_takes_connections_and_never_answers_costs_the_run_nothing_but_a_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # a user's own goes before ours of 10 s
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = climb(tmp_path, MIXED, uri=uri)

        assert uri in said
        assert f"bring it later with: evalkit publish {tmp_path}/mlruns/runs/{KEY}" in said
        assert "\n" not in said
        with pytest.raises(TrackerError, match=r"tracker\.uri"):
            MlflowTracker(str(tmp_path), uri=uri).check()
    publish(str(tmp_path / "mlruns/runs" / KEY), local_uri(str(tmp_path)), "evalkit", home=str(tmp_path))
    assert the_run(tmp_path)[0].data.tags["evalkit.status"] == "complete"


def test_a_store_that_cannot_be_written_costs_the_run_nothing_but_a_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    said = climb(tmp_path, MIXED, uri=f"sqlite:///{tmp_path}/file/mlflow.db")

    assert "Nothing is lost" in said
    assert "\n" not in said


def test_a_tracker_that_was_never_started_has_nothing_to_finish(tmp_path):
    tracker = MlflowTracker(str(tmp_path))
    tracker.climbed(MIXED[0])

    assert tracker.finish(MadeRun(tmp_path).end(*MIXED)) == ""


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"traces": "some"}, "one of all, failed, none"),
        ({"traces_at_most": -1}, "at least 0"),
        ({"uri": "localhost:5000"}, "http://HOST:PORT"),
        ({"experiment": ""}, "must be a name"),
    ],
)
def test_settings_that_can_never_work_are_refused(tmp_path, settings, fault):
    with pytest.raises(ValueError, match=fault):
        MlflowTracker(str(tmp_path), **settings)


class Server:
    """A real MLflow server, started as a user starts it."""

    def __init__(self, home, port):
        self.home, self.port, self.uri = home, port, f"http://127.0.0.1:{port}"

    def __enter__(self):
        self.home.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalkit", "ui", "--port", str(self.port)],
            env={**os.environ, "EVALKIT_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        starting, there = self.process.stdout.readline(), self.process.stdout.readline()
        assert (starting.startswith("starting"), self.uri in there) == (True, True)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENT_S) == 0
        self.process.stdout.close()


@pytest.mark.slow
def test_the_same_arrives_over_a_server_that_comes_and_goes(tmp_path, capsys):
    served, user, port = tmp_path / "server", tmp_path / "user", free_port()
    made, tracker = MadeRun(user), MlflowTracker(str(user), uri=f"http://127.0.0.1:{port}")
    with Server(served, port):
        tracker.check()
        tracker.start(made.record)
        tracker.climbed(MIXED[0])
        until(lambda: "progress.solved" in points_of(served, tracker))
    tracker.climbed(MIXED[1])
    tracker.climbed(MIXED[2])
    assert "evalkit publish" in tracker.finish(made.end(*MIXED))
    until(lambda: not answers(port))

    with Server(served, port) as server:
        send = (str(made.path), server.uri, "evalkit")
        done = publish(*send, home=str(user))
        store = dump(served)
        assert publish(*send, home=str(user)) == type(done)(done.run_id, changed=False)
        assert dump(served) == store
        client = open_store(server.uri, str(user))
        run = client.get_run(done.run_id)
        listed = {file.path for file in client.list_artifacts(done.run_id, "instances/b")}
        traces = client.search_traces(locations=[run.info.experiment_id], run_id=done.run_id)
        steps = [point.step for point in client.get_metric_history(done.run_id, "progress.attempts")]

    assert (run.info.status, run.data.metrics["solved"]) == ("FINISHED", 2)
    assert capsys.readouterr().out == ""  # where commands print their JSON
    assert steps == [1, 2, 3]
    assert "instances/b/attempt_2.txt" in listed
    assert [trace.info.tags["evalkit.outcome"] for trace in traces] == ["unsolved"]


def points_of(home, tracker):
    tracker._flush()
    with sqlite3.connect(home / "mlruns" / "mlflow.db") as store:
        found = store.execute("SELECT key FROM metrics").fetchall()
    store.close()
    return {key for (key,) in found}


def answers(port) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def until(holds):
    deadline = time.monotonic() + PATIENT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
