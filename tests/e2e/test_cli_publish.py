"""`evalkit publish` and `evalkit runs` as a user calls them."""

import csv
import fcntl
import io
import json

import pytest

from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.cli import main
from tests.adapters.mlflow_builders import KEY, MIXED, MadeRun, dump, solved


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A published run, one that another process works on, and a run of another tool in the same store."""
    place = tmp_path_factory.mktemp("home")
    MadeRun(place).end(*MIXED)
    client = open_store(local_uri(str(place)), str(place))
    client.create_run(client.create_experiment("other"), run_name="somebody else's")
    return place


@pytest.fixture
def evalkit(home, monkeypatch, capsys):
    """Call the command line in that home; returns exit code, stdout and stderr."""
    monkeypatch.setenv("EVALKIT_HOME", str(home))

    def call(*args):
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_publishing_everything_that_waits_and_again(home, evalkit):
    code, first, _ = evalkit("publish")
    store = dump(home)

    assert code == 0
    assert f"{KEY} local-starter: published in experiment 'evalkit'" in first
    assert evalkit("publish") == (0, "everything is published\n", "")
    assert "was published already" in evalkit("publish", KEY)[1]
    assert dump(home) == store


def test_a_ramp_is_published_by_its_name(tmp_path, evalkit, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    made = MadeRun(tmp_path, key="bbbbbbbbbbbb")
    made.end(solved("a"))
    record = made.path / "record.json"
    record.write_text(record.read_text().replace("local-starter", "my ramp"))
    (tmp_path / "mlruns" / "ramps").mkdir()
    made.path.rename(tmp_path / "mlruns" / "ramps" / made.path.name)
    code, said, err = evalkit("publish", "my ramp")
    assert (code, said.startswith("bbbbbbbbbbbb my ramp: published")) == (0, True), err


def test_a_run_that_another_process_works_on_is_left_to_it(home, evalkit):
    made = MadeRun(home, key="aaaaaaaaaaaa")
    made.end(solved("a"))
    with (made.path / "journal.jsonl").open("wb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        code, said, _ = evalkit("publish")
        assert (code, "left alone" in said, "under way" in said) == (0, True, True)
        code, _, said = evalkit("publish", str(made.path))
        assert (code, "under way" in said) == (2, True)
    for file in made.path.iterdir():
        if file.is_file():
            file.unlink()


def test_a_folder_that_is_not_there_is_said(evalkit):
    code, _, said = evalkit("publish", "nosuchrun")

    assert code == 2
    assert "no run 'nosuchrun'" in said


def test_a_run_is_published_by_its_name_and_a_slip_lists_the_names(tmp_path, evalkit, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    for key, name in (("aaaaaaaaaaaa", "second"), ("bbbbbbbbbbbb", "first")):
        made = MadeRun(tmp_path, key=key)
        made.end(solved("a"))
        record = json.loads((made.path / "record.json").read_text())
        (made.path / "record.json").write_text(json.dumps(record | {"name": name}))
        (made.path / "journal.jsonl").touch()

    told = evalkit("publish", "nosuchrun")[2]
    assert "no run 'nosuchrun'; there: " in told
    assert all(word in told for word in ("first", "second", "aaaaaaaaaaaa", "bbbbbbbbbbbb"))
    assert "bbbbbbbbbbbb first: " in evalkit("publish", "first")[1]


def test_runs_as_json_have_the_promised_keys_and_only_ours_are_listed(evalkit):
    evalkit("publish")
    code, said, _ = evalkit("runs", "--format", "json")
    (run,) = json.loads(said)

    assert code == 0
    promised = {"id", "name", "key", "kind", "status", "simulated", "solved_rate", "counts", "cost_usd", "started"}
    assert promised <= set(run)
    assert (run["key"], run["kind"], run["status"], run["simulated"]) == (KEY, "run", "complete", True)
    assert set(run["solved_rate"]) == {"value", "low", "high"}
    assert run["counts"] == {"solved": 2, "unsolved": 1, "unfinished": 0, "quarantined": 0}


def test_runs_as_a_table_show_rate_and_interval_and_that_a_run_is_simulated(evalkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    evalkit("publish")
    code, said, _ = evalkit("runs")

    assert code == 0
    for part in ("local-starter (simulated)", "2/3", "67% (21–94)", "small:1 big:1", "1.67", "1.25"):
        assert part in said


def test_runs_fit_a_narrow_terminal_and_show_key_and_id(evalkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    evalkit("publish")
    said = evalkit("runs")[1]
    (run,) = json.loads(evalkit("runs", "--format", "json")[1])

    assert f"{KEY[:8]} · {run['id'][:8]}" in said
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    assert "local-starter (simulated)" in said


def test_runs_of_a_kind_that_is_not_there_are_told_from_no_runs_at_all(evalkit):
    evalkit("publish")
    assert evalkit("runs", "--kind", "sweep")[1] == (
        "no runs of kind 'sweep'; there are others: `evalkit runs` shows them\n"
    )


def test_runs_as_csv_have_a_line_a_run(evalkit):
    evalkit("publish")
    (run,) = csv.DictReader(io.StringIO(evalkit("runs", "--format", "csv", "--kind", "run")[1]))

    assert (run["key"], run["solved"], run["solved_rate"]) == (KEY, "2", str(2 / 3))


def test_an_experiment_that_is_not_there_is_said_with_those_that_are(evalkit):
    code, _, said = evalkit("runs", "--experiment", "evalkti")

    assert code == 2
    assert "'evalkit'" in said


def test_no_store_means_no_runs_yet(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))

    assert main(["runs"]) == 0
    assert capsys.readouterr().out.startswith("no runs yet: evalkit run")
    assert main(["publish"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_one_line_and_exit_code_3(home, monkeypatch, capsys):
    monkeypatch.setenv("EVALKIT_HOME", str(home))

    assert main(["runs", "--uri", "http://127.0.0.1:9"]) == 3
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
