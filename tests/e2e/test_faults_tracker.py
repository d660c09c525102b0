"""Runs whose tracking store misbehaves: killed and back, slower than the run, locked by another process."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from evalkit.adapters.mlflow_store import ENVIRONMENT
from tests.e2e.test_run import remote
from tests.servers.ports import free_port
from tests.servers.threaded import serving
from tests.servers.wire import Wire

COUNT = 8
PATIENT_S = 300  # for what takes seconds on an idle machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Server:
    """A real MLflow server over a database of its own, in a session of its own."""

    def __init__(self, folder):
        self.database = folder / "server.db"
        self.port = free_port()
        self._process = None

    def start(self):
        command = [sys.executable, "-P", "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        folder = self.database.parent
        command += [
            "--backend-store-uri",
            f"sqlite:///{self.database}",
            "--artifacts-destination",
            f"{folder}/artifacts",
        ]
        extra = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(
            command, env={**ENVIRONMENT, **os.environ, **extra}, cwd=folder, start_new_session=True, **said
        )
        until(self.answers)

    def answers(self):
        assert self._process.poll() is None, "MLflow's server ended by itself"
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return True
        except (URLError, OSError):
            return False

    def kill(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def told(self, query):
        with closing(sqlite3.connect(self.database)) as store:
            return store.execute(query).fetchall()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


def until(holds):
    deadline = time.monotonic() + PATIENT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def arrived(told, experiment):
    """A run's status, what it solved, and the steps of its progress; no other run stands beside it."""
    ((run, status),) = told(
        "SELECT run_uuid, runs.status FROM runs JOIN experiments USING (experiment_id) "
        f"WHERE experiments.name = '{experiment}'"
    )
    ((solved,),) = told(f"SELECT value FROM latest_metrics WHERE run_uuid = '{run}' AND key = 'solved'")
    steps = told(f"SELECT step FROM metrics WHERE run_uuid = '{run}' AND key = 'progress.solved' ORDER BY step")
    return status, solved, [step for (step,) in steps]


WHOLE = ("FINISHED", COUNT, list(range(1, COUNT + 1)))


def test_a_server_killed_in_the_middle_of_a_run_and_started_again_gets_everything_once(home, mlflow):
    with serving() as server:
        settings = {"tracker": "local", "tracker.experiment": "killed", "ladder.rungs.only.timeout_s": 600}
        arguments = remote(home, COUNT, server, **settings)
        server.hold = {f"i{n}" for n in range(3, COUNT)}
        process = home.start("run", *arguments, f"tracker.uri=http://127.0.0.1:{mlflow.port}")
        until(lambda: mlflow.told("SELECT 1 FROM tags WHERE key = 'evalkit.key'"))
        mlflow.kill()
        server.hold = {"i7"}
        until(lambda: sum(server.answered.values()) == COUNT - 1)
        mlflow.start()
        server.hold = set()
        _, err = process.communicate(timeout=PATIENT_S)
    assert (process.returncode, "Traceback" in err, "evalkit publish" in err) == (0, False, False), err
    assert arrived(mlflow.told, "killed") == WHOLE
    assert set(server.answered.values()) == {1}


def test_a_server_that_is_slower_than_the_run_holds_no_climb_up_and_gets_everything(home, mlflow):
    """Nothing of it is answered before the last climb has ended: a run that waited for it would wait for ever."""
    with serving() as server, Wire(mlflow.port, slow_s=0.02) as wire:
        wire.frozen.set()
        settings = {"tracker": "local", "tracker.experiment": "slow", "tracker.uri": wire.url}
        process = home.start("run", *remote(home, COUNT, server, **settings), MLFLOW_HTTP_REQUEST_TIMEOUT="100")
        until(lambda: sum(server.answered.values()) == COUNT)
        wire.frozen.clear()
        _, err = process.communicate(timeout=PATIENT_S)
    assert (process.returncode, "Traceback" in err, "evalkit publish" in err) == (0, False, False), err
    assert arrived(mlflow.told, "slow") == WHOLE


@contextmanager
def locked(database):
    """Nobody else writes meanwhile."""
    with closing(sqlite3.connect(database, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        yield


def test_a_database_locked_for_longer_than_a_run_costs_it_a_line_and_publish_brings_it_all(home):
    with serving() as server:
        assert home.evalkit("run", *remote(home, 1, server, tracker="local")).returncode == 0
        (first,) = home.runs
        database = home.path / "mlruns" / "mlflow.db"
        settings = {"tracker": "local", "tracker.experiment": "locked"}
        with locked(database):
            done = home.evalkit("run", *remote(home, COUNT, server, **settings))
            assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
            assert "MLflow did not get everything" in done.stderr.splitlines()[-1]
            (second,) = set(home.runs) - {first}
            assert json.loads((second / "summary.json").read_text())["counts"]["solved"] == COUNT
            listed = home.evalkit("runs")
            assert (listed.returncode, "Traceback" in listed.stderr) == (0, False), listed.stderr
        assert home.evalkit("publish").returncode == 0
    with closing(sqlite3.connect(database)) as store:
        assert arrived(lambda query: store.execute(query).fetchall(), "locked") == WHOLE
