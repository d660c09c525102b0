"""`evalkit dataset` as a person calls it: a fresh home, the installed options, a file of one's own."""

import json

import pytest

from evalkit.cli import main

RULE = {"id": "short", "kind": "length", "words": {"min": 1, "max": 3}, "message": "Write one to three words."}
GREETING = {
    "id": "greeting",
    "prompt": "Say hello.",
    "tags": ["text"],
    "difficulty": "easy",
    "rubric": {"rules": [RULE]},
    "good": ["hello"],
    "bad": ["hello to all of you"],
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of one's own, as far from the checkout as a user's."""
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evalkit(home, capsys):
    """Calls the command on `tasks.jsonl`, which holds the lines given; returns exit code, stdout and stderr."""

    def call(action, *args, lines=None, dataset="tasks.jsonl"):
        if lines is not None:
            (home / "tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        code = main(["dataset", action, dataset, *args])
        return code, *capsys.readouterr()

    return call


def test_check_proves_a_file_of_ones_own(evalkit):
    code, out, err = evalkit("check", lines=[GREETING])
    assert (code, err) == (0, "")
    assert "1 of 1 instance is healthy (3 answers judged)" in out


def test_check_ends_with_2_and_shows_every_fault(evalkit):
    odd = {**GREETING, "id": "odd", "good": ["hello", "hello to you all"], "bad": ["hi", "one two three four"]}
    code, out, err = evalkit("check", lines=[GREETING, odd])
    assert code == 2
    assert "good answer 2 is rejected: short: Write one to three words." in out
    assert "bad answer 1 is accepted" in out
    assert "1 of 2 instances are healthy" in out
    assert err.startswith("evalkit: tasks: 1 of 2 instances are unhealthy: odd.")


def test_check_as_json_has_every_instance_with_its_faults(evalkit):
    unproven = {**GREETING, "id": "unproven", "good": [], "bad": ["hi"]}
    code, out, _ = evalkit("check", "--format", "json", lines=[GREETING, unproven])
    assert code == 2
    rows = json.loads(out)
    assert [(row["id"], row["healthy"], row["faults"]) for row in rows] == [
        ("greeting", True, ""),
        ("unproven", False, "bad answer 1 is accepted"),
    ]


def test_check_says_what_is_not_proven_solvable(evalkit):
    code, out, _ = evalkit("check", lines=[{**GREETING, "good": []}])
    assert code == 0
    assert "1 without a good answer, so not proven solvable: greeting" in out


def test_a_file_with_faults_shows_them_all_and_ends_with_2(evalkit):
    code, _, err = evalkit("check", lines=[{"promt": "x", "id": "a b"}, {**GREETING, "rubric": "none-such"}])
    assert code == 2
    for fault in ("tasks.jsonl:1: promt: unknown key", "tasks.jsonl:1: id: must", "tasks.jsonl:2: rubric: no rubric"):
        assert fault in err


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("startr", ": did you mean 'starter'?"),
        ("nowhere.jsonl", "no file 'nowhere.jsonl'; looked in"),
    ],
)
def test_a_dataset_that_is_not_there_is_said(evalkit, dataset, message):
    code, _, err = evalkit("show", dataset=dataset)
    assert code == 2
    assert message in err


def test_show_lists_the_starter(evalkit):
    code, out, _ = evalkit("show", "--format", "json", dataset="starter")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) >= 24
    assert {row["kind"] for row in rows} == {"python", "sql", "json", "text"}


def test_show_prints_one_instance_in_full(evalkit):
    code, out, _ = evalkit("show", "--id", "greeting", lines=[GREETING])
    assert code == 0
    for part in ("Say hello.", "--- good answer 1\nhello\n", "--- bad answer 1", "Write one to three words."):
        assert part in out


def test_show_offers_the_nearest_id(evalkit):
    code, _, err = evalkit("show", "--id", "greetin", lines=[GREETING])
    assert code == 2
    assert "did you mean 'greeting'?" in err


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(evalkit):
    def ids(size):
        _, out, _ = evalkit("sample", "--size", size, "--by", "tags", "--format", "json", dataset="starter")
        return [row["id"] for row in json.loads(out)]

    large = ids("20")
    assert ids("5") == large[:5]
    assert {name.partition("-")[0] for name in large[:4]} == {"python", "sql", "json", "text"}


def test_a_sample_that_cannot_be_drawn_ends_with_2(evalkit):
    code, _, err = evalkit("sample", "--size", "9", lines=[GREETING])
    assert code == 2
    assert "sample size 9 does not fit: the dataset holds 1 instances." in err
    code, _, err = evalkit("sample", "--by", "difficult", lines=[GREETING])
    assert code == 2
    assert "Did you mean 'difficulty'?" in err


def test_show_says_by_which_tests_an_instance_with_a_repository_is_judged(evalkit):
    tests = {"kind": "repo", "patch": "", "targets": ["t.py"], "fail_to_pass": ["t.py::test_a"], "pass_to_pass": ["b"]}
    repo = {"name": "o/shop", "commit": "1" * 40, "environment": "shop"}
    line = {"id": "shop-1", "prompt": "Totals are 0.", "repo": repo, "tests": tests}
    code, out, err = evalkit("show", "--id", "shop-1", lines=[line])
    assert code == 0, err
    for part in (f"o/shop at {'1' * 40}, tested in 'shop'", "fail_to_pass: t.py::test_a", "pass_to_pass: 1 test\n"):
        assert part in out
