"""Lines about a repository at a commit."""

import pytest

from evalkit.core.types import Repo, Tests
from tests.adapters.jsonl_dataset.lines import TEXT, faults

TESTS_OF_IT = {
    "kind": "repo",
    "patch": "",
    "targets": ["t.py"],
    "fail_to_pass": ["t.py::a"],
    "pass_to_pass": ["t.py::b"],
}
REPO = {"id": "r", "prompt": "?", "repo": {"name": "o/r", "commit": "a" * 40, "environment": "e"}, "tests": TESTS_OF_IT}


def test_a_line_may_be_about_a_repository(reader):
    (one,) = reader({**REPO, "gold": "diff", "protected": ["x"]}).instances
    assert (one.repo, one.answer, one.gold) == (Repo("o/r", "a" * 40, "e"), "search_replace", "diff")
    assert one.protected == ("x",)
    assert one.tests == Tests("repo", targets=("t.py",), fail_to_pass=("t.py::a",), pass_to_pass=("t.py::b",))


def test_what_is_run_may_be_left_to_the_names(reader):
    without = {key: value for key, value in TESTS_OF_IT.items() if key != "targets"}
    (one,) = reader({**REPO, "tests": without}).instances
    assert one.tests.targets == ("t.py",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repo": {"name": "o/r", "commit": "main", "environment": "e"}}, "repo.commit: must be the full hash"),
        ({"repo": {"name": "o/r", "commit": "a" * 40}}, "repo.environment: is missing"),
        ({"repo": {"commit": "a" * 40, "environment": "e"}}, "repo: give one of name, url, path"),
        ({"repo": {**REPO["repo"], "path": "/x"}}, "repo: give one of name, url, path, not name and path"),
        ({"repo": {**REPO["repo"], "comit": "x"}}, "repo.comit: unknown key; did you mean 'commit'?"),
        ({"answer": "code:python"}, "answer: a repository is answered by edits"),
        ({"files": {"a.py": ""}}, "files: are the repository's own"),
        ({"tests": {"kind": "repo", "fail_to_pass": []}}, "tests.fail_to_pass: must hold at least one entry"),
        ({"tests": {"kind": "repo"}}, "tests.fail_to_pass: is missing"),
        ({"tests": {"kind": "repo", "fail_to_pass": ["a"]}}, "tests.targets: is missing, and neither names nor"),
        ({"tests": {"kind": "command", "command": ["x"]}}, "tests.kind: a repository is tested by kind 'repo'"),
        ({"good": [{"a.py": "x"}]}, "good[0]: write the edits out"),
        ({"gold": 3}, "gold: must be a text"),
    ],
)
def test_faults_of_a_repository_are_told_by_key(reader, changes, said):
    told = faults(reader, {**REPO, **changes})
    assert any(line.startswith(f"1: {said}") for line in told), told


def test_tests_of_a_repository_need_one(reader):
    without = {key: value for key, value in REPO.items() if key != "repo"}
    (told,) = faults(reader, {**without, "answer": "unified_diff"})
    assert told.startswith("1: tests: ")
    assert faults(reader, {**TEXT, "gold": "x"}) == ["1: gold: is for answers that are edits, and answer is 'text'"]
