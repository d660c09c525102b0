"""Instances whose answers are edits, from the dataset's check to a climb that mends an edit which did not apply."""

import json

import yaml

from evalkit.core.edits import written
from tests.e2e.edited import BUGS, FILES, dataset

GIVEN = ["dataset=jsonl", "dataset.path=tasks.jsonl", "strategy=edit", "verifier=tests", "tracker=none"]


def edits(answer, name, number):
    """The mended (3) or the wrong (4) line of a bug, as an edit."""
    file, line = f"{name}.py", BUGS[name][number]
    return written(answer, FILES, {**FILES, file: FILES[file].replace(BUGS[name][2], line)})


def test_a_dataset_of_edits_is_proven(home):
    home.write("tasks.jsonl", dataset("unified_diff"))
    done = home.evalkit("dataset", "check", "tasks.jsonl", "verifier=tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 instances are healthy (9 answers judged)" in done.stdout


def test_what_is_wrong_with_a_dataset_of_edits_is_said(home):
    whole = {"id": "a", "prompt": "?", "tests": {"kind": "pytest", "code": "def test(): pass"}}
    wrong = [
        {**whole, "answer": "search_replce"},
        {**whole, "id": "b", "answer": "code:python", "good": [{"a.py": "x"}], "protected": ["a.py"]},
        {**whole, "id": "c", "answer": "search_replace", "files": {"a.py": "x\n"}, "good": [{"a.py": "y"}]},
        {**whole, "id": "d", "answer": "unified_diff", "tests": {**whole["tests"], "isolation": "process"}},
    ]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in wrong[:1]))
    assert "'search_replace', 'unified_diff' or 'whole_file'" in home.evalkit("dataset", "check", "tasks.jsonl").stderr
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in wrong[1:]))
    said = home.evalkit("dataset", "check", "tasks.jsonl").stderr
    for words in ("tasks.jsonl:1: good[0]: files are", ":1: protected: is for", ":2: good[0]: ", ":3: tests: edits"):
        assert words in said, said


def test_an_edit_that_does_not_apply_is_told_to_the_next_attempt_which_starts_from_the_files_as_they_were(home):
    answer = "search_replace"
    home.write("tasks.jsonl", dataset(answer))
    lost = edits(answer, "stock", 3).replace("stock.py", "stok.py")
    answers = {
        "stock": [lost, edits(answer, "stock", 3)],
        "prices": ["I would use >=.", edits(answer, "prices", 4), edits(answer, "prices", 3)],
        "names": [edits(answer, "names", 3).replace("split()", "split("), edits(answer, "names", 3)],
    }
    home.write("answers.yaml", yaml.safe_dump({"default": "?", "instances": answers}))
    home.write("conf/ladder/mine.yaml", "rungs: {one: {model: scripted/answers.yaml, attempts: 3}}\n")
    done = home.evalkit("run", *GIVEN, "ladder=mine")
    assert "solved 3 of 3" in done.stdout, done.stdout + done.stderr
    (run,) = home.runs
    failures = {
        name: [json.loads(path.read_text())["failure"] for path in sorted(run.glob(f"instances/{name}/attempt_*.json"))]
        for name in BUGS
    }
    assert failures == {
        "stock": ["apply_failed", None],
        "prices": ["no_edits", "test_failure", None],
        "names": ["syntax_error", None],
    }
    attempt = json.loads((run / "instances/stock/attempt_2.json").read_text())
    assert "there is no file 'stok.py'. Did you mean 'stock.py'?" in json.dumps(attempt["prompt"])
