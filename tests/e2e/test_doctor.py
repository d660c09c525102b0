"""evalkit doctor: what it finds besides models and tracking store, each with its mend."""

import json

import pytest


@pytest.fixture
def doctor(home):
    home.write("answers.yaml", "default: right\n")
    home.write("conf/ladder/mine.yaml", "rungs: {only: {model: scripted/answers.yaml}}\n")
    config = [*home.dataset(1), "ladder=mine", "tracker=none", "sandbox=unconfined"]

    def look(*flags, command="doctor"):
        done = home.evalkit(command, *config, *flags)
        rows = {row["what"]: (row["ok"], row["detail"]) for row in json.loads(done.stdout)} if flags else {}
        return done.returncode, rows

    return look


def test_it_says_whether_the_run_is_new_or_done(home, doctor):
    code, rows = doctor("--json")
    assert (code, rows["run"][1].endswith("is new"), rows["folder"][0]) == (0, True, True)
    assert doctor(command="run") == (0, {})
    assert "complete already: the same command does nothing" in doctor("--json")[1]["run"][1]


def test_a_fault_is_told_once_and_a_folder_that_takes_nothing_is_told(home, doctor):
    home.write("mlruns", "a file")
    path = home.write("tasks.jsonl", '{"id": "x"}\n')
    assert path.is_file()
    done = home.evalkit(
        "doctor",
        "dataset=jsonl",
        "dataset.path=tasks.jsonl",
        "ladder=mine",
        "tracker=none",
        "sandbox=unconfined",
        "--json",
    )
    rows = {row["what"]: row["detail"] for row in json.loads(done.stdout)}
    assert done.returncode == 2
    assert "tasks.jsonl:1" in rows["dataset"]
    assert rows["run"] == "could not be looked at: mend 'dataset' first"
    assert "set EVALKIT_HOME to one" in rows["folder"]
