"""A team's tracking server: MLflow over PostgreSQL, artifacts in an object store, ten processes of evalkit at once.

As a benchmark: EVALKIT_LOGGED=50000 pytest -s tests/e2e/test_tracking_server.py -k ten
"""

import json
import os
import time
import zipfile
from types import SimpleNamespace

import pytest

from evalkit.adapters.mlflow_facts import PARAM_LIMIT, cut
from evalkit.adapters.mlflow_store import open_store
from tests.e2e.command import Home
from tests.servers.tracking import content, mlflow_server, object_store, objects, postgresql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
PROCESSES = 10
LOGGED = int(os.environ.get("EVALKIT_LOGGED", "300"))
DIRECT = "direct"  # an experiment whose artifacts evalkit itself brings to the object store, not the server
ANSWERS = "default: [first, second]\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("server")
    with (
        postgresql() as database,
        object_store() as s3,
        pytest.MonkeyPatch.context() as patch,
        mlflow_server(database, "s3://evalkit/served", s3, place) as uri,
    ):
        for name, value in s3.items():
            patch.setenv(name, value)
        client = open_store(uri, str(place))
        client.create_experiment(DIRECT, artifact_location=f"s3://evalkit/{DIRECT}")
        yield SimpleNamespace(uri=uri, s3=s3, client=client)


def started(home, server, number, instances):
    """A run of its own: others of the same instances, one climb of four with a second attempt."""
    patterns = ["second" if task % 4 == 0 else "first|second" for task in range(instances)]
    rows = [
        {"id": f"i{task}", "prompt": f"Task {task}.", "rubric": {"rules": [{"id": "word", "kind": "regex",
         "pattern": pattern, "message": "Say the other word."}]}}
        for task, pattern in enumerate(patterns)
    ]  # fmt: skip
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    home.write("answers.yml", ANSWERS)
    options = ["ladder.rungs.script.model=scripted/answers.yml", f"seed={number}", f"name=run {number}"]
    options += ["tracker=server", f"tracker.experiment={DIRECT if number % 2 else 'evalkit'}"]
    options += ["tracker.traces_at_most=1000", "dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=scripted"]
    patient = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "100"}  # seconds: here the clients are on the server's own machine
    return home.start("run", *options, MLFLOW_TRACKING_URI=server.uri, **server.s3, **patient)


def test_ten_processes_at_once_lose_nothing(server, tmp_path):
    instances = LOGGED // PROCESSES
    homes = [Home(tmp_path / str(number)) for number in range(PROCESSES)]
    for home in homes:
        home.path.mkdir()
    began = time.monotonic()
    processes = [started(home, server, number, instances) for number, home in enumerate(homes)]
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, "MLflow did not get everything" in err) == (0, False), out + err
    took = f"{PROCESSES} processes logged {PROCESSES * instances} instances in {time.monotonic() - began:.1f} s"
    print(took)  # noqa: T201  the benchmark's result

    for number, home in enumerate(homes):
        (folder,) = home.runs
        summary, record = home.summary(), json.loads((folder / "record.json").read_text())
        (run,) = found(server.client, folder.name)
        metrics, prefix = run.data.metrics, DIRECT if number % 2 else "served"
        assert (run.info.status, run.info.run_name) == ("FINISHED", f"run {number}")
        assert (metrics["solved"], metrics["progress.solved"]) == (instances, instances)
        assert metrics["attempts_mean"] == pytest.approx(summary["attempts"]["mean"])
        points = server.client.get_metric_history(run.info.run_id, "progress.attempts")
        assert [point.step for point in points] == sorted({point.step for point in points})
        assert (points[-1].step, len(points) >= min(instances, 300)) == (instances, True)
        assert run.data.params == cut(record["params"], PARAM_LIMIT)[0]
        assert artifacts(server, run, prefix) == attempts(folder)
        assert len(traces(server.client, run)) == (instances if instances <= 1000 else 0)


def found(client, key):
    experiments = [one.experiment_id for one in client.search_experiments()]
    return client.search_runs(experiments, f"tags.`evalkit.key` = '{key}'")


def attempts(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("instances/*/*")}


def artifacts(server, run, prefix):
    """The climbs' files with what is in them, as the object store has them; of many they travel in one archive."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415  loaded by now

    stored = [name for name in objects(server.s3, prefix) if f"/{run.info.run_id}/artifacts/" in name]
    inside = {name.partition("/artifacts/")[2]: name for name in stored}
    assert {"summary.json", "config.yaml", "lock.json", "instances.json"} <= set(inside)
    if "instances.zip" not in inside:
        climbs = {name: place for name, place in inside.items() if name.startswith("instances/")}
        found = content(server.s3, climbs.values())
        return {name: found[place] for name, place in climbs.items()}
    asked = {"run_id": run.info.run_id, "artifact_path": "instances.zip", "tracking_uri": server.uri}
    with zipfile.ZipFile(download_artifacts(**asked)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def traces(client, run):
    token, seen = None, []
    while True:
        asked = {"run_id": run.info.run_id, "include_spans": False, "max_results": 500, "page_token": token}
        page = client.search_traces(locations=[run.info.experiment_id], **asked)
        seen += [trace.info.trace_id for trace in page]
        token = page.token
        if not token:
            assert len(seen) == len(set(seen))
            return seen
