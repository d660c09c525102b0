"""The list of runs is the same whether SQL or MLflow reads the store, and MLflow reads what SQL cannot."""

import sqlite3

import pytest

from evalkit.adapters import mlflow_runs
from evalkit.adapters.mlflow_publish import publish
from evalkit.adapters.mlflow_sqlite import SchemaError, read_runs
from evalkit.adapters.mlflow_store import local_uri, open_store, sqlite_file
from evalkit.core.errors import ConfigError
from tests.adapters.mlflow_builders import MIXED, MadeRun, solved, unfinished


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three runs in two experiments, one of them deleted, beside a run that is not ours."""
    place = tmp_path_factory.mktemp("home")
    uri = local_uri(str(place))
    client = open_store(uri, str(place))
    ends = {"aa": MIXED, "bb": (solved("a", cost=None), unfinished("b")), "cc": (solved("a"),)}
    for key, solutions in ends.items():
        made = MadeRun(place, key=key, params={"dataset": "starter"})
        made.end(*solutions)
        done = publish(str(made.path), uri, "other" if key == "bb" else "evalkit", home=str(place), traces="none")
    client.delete_run(done.run_id)
    client.create_run("0")
    return place


@pytest.mark.parametrize("asked", [{}, {"experiment": "other"}, {"kind": "run"}, {"kind": "sweep"}, {"limit": 1}])
def test_sql_and_mlflow_tell_the_same(home, monkeypatch, asked):
    by_sql = mlflow_runs.list_runs(local_uri(str(home)), str(home), **asked)
    monkeypatch.setattr(mlflow_runs, "_by_sql", lambda *_: None)
    by_mlflow = mlflow_runs.list_runs(local_uri(str(home)), str(home), **asked)

    assert by_sql == by_mlflow
    assert len(by_sql) == {"other": 1, "sweep": 0}.get(
        asked.get("experiment") or asked.get("kind"), asked.get("limit", 2)
    )


def test_an_experiment_that_is_not_there_is_told_with_those_that_are(home):
    with pytest.raises(ConfigError, match=r"no experiment 'evalkid'.*'evalkit'"):
        mlflow_runs.list_runs(local_uri(str(home)), str(home), experiment="evalkid")


def test_a_database_of_another_form_is_left_to_mlflow(tmp_path):
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as store:
        store.execute("CREATE TABLE runs (run_uuid TEXT)")
    store.close()

    with pytest.raises(SchemaError, match=r"other\.db"):
        read_runs(sqlite_file(f"sqlite:///{file}"), experiment=None, kind=None, limit=1, params=())
