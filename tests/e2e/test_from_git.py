"""A repository's own history becomes a dataset: from-git, its proof, its flaky test, and a climb on it."""

import json

import pytest
import yaml

from tests.e2e.command import Home
from tests.repository import git

SUMS = "def total(numbers):\n    return {}\n"
TEST = "import unittest\n\nfrom shop.sums import total\n\n\nclass Sums(unittest.TestCase):\n{}"
ZERO = "    def test_nothing(self):\n        self.assertEqual(total([]), 0)\n\n"
SOME = "    def test_some(self):\n        self.assertEqual(total([1, 2]), 3)\n\n"
# Every other time: what a test writes outside of its tree survives where nothing confines it.
FLAKY = (
    "    def test_coin(self):\n        with open({!r}, 'a') as file:\n            file.write('x')\n"
    "            self.assertTrue(file.tell() % 2)\n\n"
)
COMMAND = ["--test", "python -m unittest {targets}", "--report", "unittest"]  # needs no package
LOST = "shop/sums.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return sum(numbers)\n>>>>>>> REPLACE\n"
FOUND = LOST.replace("return 1", "return 0")
# Message, files: from the first with a test that could be an instance's.
HISTORY = (
    ("A shop", {"shop/__init__.py": "", "tests/__init__.py": "", "shop/sums.py": SUMS.format(0)}),
    ("Totals\n\nThe total of numbers is always 0.", {
        "shop/sums.py": SUMS.format("sum(numbers)"), "tests/test_sums.py": TEST.format(ZERO + SOME),
    }),
    ("A page", {"README.md": "Sums.\n"}),
    ("More tests", {"tests/test_sums.py": TEST.format(SOME)}),
    ("No change to what it does", {
        "shop/sums.py": SUMS.format("sum(list(numbers))"), "tests/test_sums.py": TEST.format(ZERO + SOME),
    }),
    ("A logo", {"logo.png": b"\x89PNG\0\xff", "tests/test_logo.py": "# of the logo\n"}),
)  # fmt: skip


@pytest.fixture
def shop(home):
    path = home.path / "clones" / "shop"
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch", "main")
    for message, files in HISTORY:
        commit(path, message, files)
    return path


def commit(path, message, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--no-gpg-sign", "-m", message)


def made(home: Home, *args):
    done = home.evalkit("dataset", "from-git", "clones/shop", *COMMAND, *args)
    lines = (home.path / "tasks.jsonl").read_text().splitlines() if (home.path / "tasks.jsonl").exists() else []
    return done, [json.loads(line) for line in lines]


@pytest.mark.slow
def test_commits_with_tests_become_instances_which_are_proven_and_climbed(home, shop):
    done, (task,) = made(home, "--commits", "main~5..main", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [(row["title"], row["why"]) for row in json.loads(done.stdout)] == [
        ("Totals", "1 fail_to_pass, 1 pass_to_pass"),
        ("A page", "brings no tests"),
        ("More tests", "changes nothing but tests"),
        ("No change to what it does", "no test goes from fail to pass (2 pass before and after)"),
        ("A logo", "changes logo.png, which is no text"),
    ]
    assert task["prompt"] == HISTORY[1][0]
    assert task["tests"]["fail_to_pass"] == ["tests.test_sums.Sums.test_some"]
    assert "tests/test_sums.py" not in task["gold"]

    again, _ = made(home, "--commit", "main~4")
    assert (again.returncode, "is in tasks.jsonl already" in again.stderr) == (2, True)
    other = home.evalkit("dataset", "from-git", "clones/shop", "--test", "python -m pytest {targets}")
    assert "'shop' has another test" in other.stderr

    checked = home.evalkit("dataset", "check", "dataset=repo", "dataset.path=tasks.jsonl")
    assert "1 of 1 instance is healthy (2 answers judged)" in checked.stdout, checked.stderr
    answers = {"instances": {task["id"]: [LOST, FOUND]}, "default": "?"}
    home.write("answers.yaml", yaml.safe_dump(answers))
    home.write("conf/ladder/mine.yaml", "rungs: {one: {model: scripted/answers.yaml, attempts: 2}}\n")
    ran = home.evalkit(
        "run", "dataset=repo", "dataset.path=tasks.jsonl", "strategy=edit", "verifier=tests", "tracker=none",
        "ladder=mine", "sample.by=repo",
    )  # fmt: skip
    assert "solved 1 of 1" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.slow
def test_a_test_that_goes_both_ways_is_found_listed_and_left_out(home, shop):
    commit(shop, "Breaks it", {"shop/sums.py": SUMS.format(0)})
    tests = TEST.format(ZERO + SOME + FLAKY.format(str(home.path / "coin")))
    commit(shop, "Totals again", {"shop/sums.py": SUMS.format("sum(numbers)"), "tests/test_sums.py": tests})
    done, tasks = made(home)
    assert tasks, done.stderr
    (task,) = tasks
    task["tests"]["pass_to_pass"] = ["tests.test_sums.Sums.test_nothing", "tests.test_sums.Sums.test_coin"]
    task["tests"]["fail_to_pass"] = ["tests.test_sums.Sums.test_some"]
    home.write("tasks.jsonl", json.dumps(task))
    check = ["dataset", "check", "tasks.jsonl", "sandbox=unconfined"]
    found = home.evalkit(*check, "--repeat", 2)
    assert "1 of 1 instance is healthy" in found.stdout, found.stdout + found.stderr
    (entry,) = json.loads((home.path / "mlruns" / "flaky.json").read_text())
    assert list(entry["tests"]) == ["tests.test_sums.Sums.test_coin"]
    assert "1 of 1 instance is healthy (0 answers judged" in home.evalkit(*check).stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["clones/shpo"], "no folder 'clones/shpo'; give the path of a clone"),
        (["clones"], "not a git repository"),
        (["clones/shop", "--commit", "nothing"], "there is no commit 'nothing'"),
        (["clones/shop", "--commits", "main"], "'main' is no range of commits"),
        (["clones/shop", "--commits", "main..main"], "there are no commits in 'main..main'"),
        (["clones/shop", "--commit", "main~2"], "(More tests): changes nothing but tests."),
        (["clones/shop", "--commits", "main~4..main~3"], "none of 1 commit is suitable"),
        (["clones/shop", "--test", "pytest"], "write {targets}"),
        (["clones/shop", "--prompt", "none.md"], "no file 'none.md' (--prompt)"),
    ],
)
def test_what_cannot_be_made_into_an_instance_is_told(home, shop, args, said):
    done = home.evalkit("dataset", "from-git", *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert not [name for name in ("tasks.jsonl", "environments.yaml") if (home.path / name).exists()]


@pytest.mark.slow
def test_why_no_test_could_pass_is_told_and_where_to_mend_it(home, shop):
    there = {"src/till/__init__.py": "", "src/till/sums.py": SUMS.format(0)}
    commit(shop, "A till", there)
    test = TEST.format(SOME).replace("shop", "till")
    commit(shop, "Its totals", {"src/till/sums.py": SUMS.format("sum(numbers)"), "tests/test_till.py": test})
    done, tasks = made(home)
    assert (done.returncode, tasks) == (2, [])
    assert "No module named 'till'" in done.stderr
    assert "env (PYTHONPATH) or test command. It stands in environments.yaml." in done.stderr
