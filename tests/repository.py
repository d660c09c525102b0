"""A small repository with history for tests: six planted bugs, each mended by a commit that brings its test."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.environment import Environment
from evalkit.core.types import Instance, Repo, Tests

NAME = "example/shop"
ENVIRONMENT = Environment(
    name="shop",
    test=("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "{targets}"),
    report="pytest",
    env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # the plugins beside evalkit take a second to load
    timeout_s=120.0,
    memory_mb=1024,
)
IDENTITY = {
    "GIT_AUTHOR_NAME": "A Person", "GIT_AUTHOR_EMAIL": "person@example.org", "GIT_AUTHOR_DATE": "2024-01-01T12:00:00Z",
    "GIT_COMMITTER_NAME": "A Person", "GIT_COMMITTER_EMAIL": "person@example.org",
    "GIT_COMMITTER_DATE": "2024-01-01T12:00:00Z", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Bug:
    """A module with a fault: what is wrong in its text and what is right, and the test that tells them apart."""

    id: str
    problem: str
    text: str  # the module, faulty
    wrong: str  # the faulty part of it
    right: str
    tests: str  # that pass before and after
    more: str  # what the mending commit adds to them
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"shop/{self.id}.py"

    @property
    def test_path(self) -> str:
        return f"tests/test_{self.id}.py"


@dataclass(frozen=True)
class Generated:
    """`repos` is the folder of repositories (`example+shop` in it), `instances` one a bug in history's order."""

    repos: Path
    instances: tuple[Instance, ...]
    environment: Environment = ENVIRONMENT

    @property
    def path(self) -> Path:
        """The repository's own folder."""
        return self.repos / NAME.replace("/", "+")


def generated(folder: Path, bugs: "tuple[Bug, ...] | None" = None) -> Generated:
    """Make the repository in `folder` and its instances. Their commits are the same wherever it is made."""
    made = BUGS if bugs is None else bugs
    path = folder / NAME.replace("/", "+")
    for name, text in {**STATIC, **{bug.path: bug.text for bug in made}}.items():
        _write(path / name, text)
    for bug in made:
        _write(path / bug.test_path, bug.tests)
    git(path, "init", "--quiet", "--initial-branch", "main")
    _commit(path, "A shop")
    return Generated(folder, tuple(_instance(path, bug) for bug in made))


def git(path: Path, *arguments: str) -> str:
    """What git says."""
    return subprocess.run(
        ["git", "-C", str(path), *arguments], check=True, capture_output=True, text=True, env={**os.environ, **IDENTITY}
    ).stdout


def _instance(path: Path, bug: Bug) -> Instance:
    """Mend the bug with a commit; the instance is its parent and what the commit changes."""
    base = git(path, "rev-parse", "HEAD").strip()
    files = {
        name: (path / name).read_text(encoding="utf-8") for name in git(path, "ls-files").split("\n") if name.strip()
    }
    _write(path / bug.path, bug.text.replace(bug.wrong, bug.right))
    _write(path / bug.test_path, bug.tests + bug.more)
    _commit(path, bug.problem.partition("\n")[0])
    return Instance(
        id=f"shop-{bug.id}",
        prompt=bug.problem,
        answer="search_replace",
        tags=("shop",),
        files=files,
        gold=git(path, "diff", base, "HEAD", "--", "shop"),
        repo=Repo(NAME, base, ENVIRONMENT.name),
        protected=(),
        tests=Tests(
            kind="repo",
            patch=git(path, "diff", base, "HEAD", "--", "tests"),
            targets=(bug.test_path,),
            fail_to_pass=tuple(f"{bug.test_path}::{name}" for name in bug.fail_to_pass),
            pass_to_pass=tuple(f"{bug.test_path}::{name}" for name in bug.pass_to_pass),
        ),
    )


def _commit(path: Path, message: str) -> None:
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--no-gpg-sign", "-m", message)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


STATIC = {
    "README.md": "# shop\n\nSmall parts of a shop. Tests: `python -m pytest`.\n",
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1.0"\n\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    ),
    "shop/__init__.py": '"""Small parts of a shop."""\n',
    "conftest.py": '"""Makes the folder importable."""\n',
}

BUGS = (
    Bug(
        id="shares",
        problem="Shares lose cents\n\n`shop.shares.split(100, 3)` gives [33, 33, 33]: a cent is gone. The first shares "
        "should be larger by one cent until nothing is left.",
        text='"""Money in cents."""\n\n\ndef split(cents, people):\n    """Share an amount out."""\n'
        "    share = cents // people\n    return [share] * people\n",
        wrong="    return [share] * people\n",
        right="    left = cents % people\n    return [share + (number < left) for number in range(people)]\n",
        tests="from shop.shares import split\n\n\ndef test_even():\n    assert split(90, 3) == [30, 30, 30]\n",
        more="\n\ndef test_nothing_is_lost():\n    assert split(100, 3) == [34, 33, 33]\n",
        fail_to_pass=("test_nothing_is_lost",),
        pass_to_pass=("test_even",),
    ),
    Bug(
        id="slugs",
        problem="Double dashes in slugs\n\n`shop.slugs.slug('a - b')` gives 'a---b'; it should be 'a-b', and no slug "
        "should begin or end with a dash.",
        text='"""Names for addresses."""\n\nimport re\n\n\ndef slug(name):\n    """Lower case, with dashes."""\n'
        '    return re.sub(r"[^a-z0-9]", "-", name.lower())\n',
        wrong='    return re.sub(r"[^a-z0-9]", "-", name.lower())\n',
        right='    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")\n',
        tests='import pytest\n\nfrom shop.slugs import slug\n\n\n@pytest.mark.parametrize("name", ["Tea", "tea"])\n'
        'def test_case(name):\n    assert slug(name) == "tea"\n',
        more='\n\n@pytest.mark.parametrize(("name", "made"), [("a - b", "a-b"), (" a", "a"), ("a!", "a")])\n'
        "def test_dashes(name, made):\n    assert slug(name) == made\n",
        # As SWE-bench's logs give them: cut at the first blank.
        fail_to_pass=("test_dashes[a", "test_dashes[", "test_dashes[a!-a]"),
        pass_to_pass=("test_case[Tea]", "test_case[tea]"),
    ),
    Bug(
        id="hours",
        problem="Opening hours that touch\n\n`shop.hours.merged([(8, 12), (12, 18)])` should be [(8, 18)]: hours that "
        "touch are one. They stay apart.",
        text='"""Opening hours."""\n\n\ndef merged(hours):\n    """Join what overlaps."""\n    made = []\n'
        "    for start, end in sorted(hours):\n        if made and start < made[-1][1]:\n"
        "            made[-1] = (made[-1][0], max(made[-1][1], end))\n        else:\n"
        "            made.append((start, end))\n    return made\n",
        wrong="start < made[-1][1]",
        right="start <= made[-1][1]",
        tests="import unittest\n\nfrom shop.hours import merged\n\n\nclass Hours(unittest.TestCase):\n"
        "    def test_overlap(self):\n        self.assertEqual(merged([(8, 12), (11, 18)]), [(8, 18)])\n",
        more="\n    def test_touch(self):\n        self.assertEqual(merged([(12, 18), (8, 12)]), [(8, 18)])\n",
        fail_to_pass=("Hours::test_touch",),
        pass_to_pass=("Hours::test_overlap",),
    ),
    Bug(
        id="options",
        problem="An equals sign in a value\n\n`shop.options.read('a=b=c')` should give {'a': 'b=c'}, and raises "
        "ValueError.",
        text='"""Options as text."""\n\n\ndef read(text):\n    """Lines of name=value."""\n    found = {}\n'
        "    for line in text.splitlines():\n        if line.strip():\n"
        '            name, value = line.split("=")\n            found[name.strip()] = value.strip()\n'
        "    return found\n",
        wrong='line.split("=")',
        right='line.split("=", 1)',
        tests='from shop.options import read\n\n\ndef test_lines():\n    assert read("a=1\\n\\nb = 2") == '
        '{"a": "1", "b": "2"}\n',
        more='\n\ndef test_equals_in_a_value():\n    assert read("a=b=c") == {"a": "b=c"}\n',
        fail_to_pass=("test_equals_in_a_value",),
        pass_to_pass=("test_lines",),
    ),
    Bug(
        id="recent",
        problem="What was looked at last is forgotten first\n\n`shop.recent.Recent` keeps the last things. Looking "
        "at a thing (`get`) should count as a use, and does not: it is dropped as if it had never been looked at.",
        text='"""The last few things."""\n\nfrom collections import OrderedDict\n\n\nclass Recent:\n'
        '    """Keeps `size` things."""\n\n    def __init__(self, size):\n        self.size = size\n'
        "        self.things = OrderedDict()\n\n    def put(self, name, thing):\n        self.things[name] = thing\n"
        "        self.things.move_to_end(name)\n        while len(self.things) > self.size:\n"
        "            self.things.popitem(last=False)\n\n    def get(self, name):\n"
        "        return self.things.get(name)\n",
        wrong="        return self.things.get(name)\n",
        right="        if name in self.things:\n            self.things.move_to_end(name)\n"
        "        return self.things.get(name)\n",
        tests="from shop.recent import Recent\n\n\nclass TestRecent:\n    def test_size(self):\n"
        "        kept = Recent(1)\n        kept.put('a', 1)\n        kept.put('b', 2)\n"
        "        assert (kept.get('a'), kept.get('b')) == (None, 2)\n",
        more="\n    def test_a_look_counts(self):\n        kept = Recent(2)\n        kept.put('a', 1)\n"
        "        kept.put('b', 2)\n        kept.get('a')\n        kept.put('c', 3)\n"
        "        assert kept.get('a') == 1\n",
        fail_to_pass=("TestRecent::test_a_look_counts",),
        pass_to_pass=("TestRecent::test_size",),
    ),
    Bug(
        id="prices",
        problem="Prices below one euro\n\n`shop.prices.text(5)` gives '0.5 €'; five cents are '0.05 €'.",
        text='"""Prices as text."""\n\n\ndef text(cents):\n    """Such as 1.50 €."""\n'
        '    return f"{cents // 100}.{cents % 100} €"\n',
        wrong="{cents % 100} €",
        right="{cents % 100:02} €",
        tests='from shop.prices import text\n\n\ndef test_euros():\n    assert text(150) == "1.50 €"\n',
        more='\n\ndef test_cents():\n    assert text(5) == "0.05 €"\n    assert text(100) == "1.00 €"\n',
        fail_to_pass=("test_cents",),
        pass_to_pass=("test_euros",),
    ),
)
