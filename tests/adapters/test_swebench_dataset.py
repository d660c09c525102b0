"""SWE-bench's files become instances: lists in any of their forms, targets, images; faults by line and column."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from evalkit.adapters.swebench_dataset import SweBenchDataset
from evalkit.core.errors import DatasetError
from evalkit.core.sampling import sample
from evalkit.core.types import Repo
from evalkit.places import Places

PATCH = """\
diff --git a/{0} b/{0}
--- a/{0}
+++ b/{0}
@@ -1 +1 @@
-old
+new
"""
ROW = {
    "repo": "example/shop",
    "instance_id": "example__shop-1",
    "base_commit": "a" * 40,
    "patch": PATCH.format("shop/sums.py"),
    "test_patch": PATCH.format("tests/test_sums.py") + PATCH.format("tests/data.json"),
    "problem_statement": "Sums are wrong.",
    "created_at": "2024-01-01T00:00:00Z",
    "version": "1.0",
    "FAIL_TO_PASS": ["tests/test_sums.py::test_sum"],
    "PASS_TO_PASS": ["tests/test_sums.py::test_zero"],
}


class Nowhere:
    """A workspace in which nothing is to be found."""

    def files(self, repo):
        raise DatasetError(f"repository {repo.name!r} is not here")

    def tree(self, repo):
        raise AssertionError


@pytest.fixture
def read(tmp_path):
    def reading(*rows, name="lite.jsonl", **settings):
        path = tmp_path / name
        if name.endswith(".parquet"):
            parquet.write_table(pa.Table.from_pylist(list(rows)), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return SweBenchDataset(str(path), places=Places(), workspace=Nowhere(), **settings).load()

    return reading


def test_a_row_becomes_an_instance_without_its_repository(read):
    (one,) = read({**ROW, "difficulty": "<15 min fix"}).instances
    assert (one.id, one.prompt, one.answer) == ("example__shop-1", "Sums are wrong.", "search_replace")
    assert one.repo == Repo("example/shop", "a" * 40, "example/shop@1.0")
    assert (one.gold, one.difficulty, one.image) == (ROW["patch"], "<15 min fix", "")
    assert one.tags[0] == one.metadata["repo"] == "example/shop"
    assert (one.tests.kind, one.tests.patch) == ("repo", ROW["test_patch"])
    assert one.tests.targets == ("tests/test_sums.py",)
    assert (one.tests.fail_to_pass, one.tests.pass_to_pass) == (
        ("tests/test_sums.py::test_sum",),
        ("tests/test_sums.py::test_zero",),
    )
    assert "example/shop" in repr(one.files)
    with pytest.raises(DatasetError, match="not here"):
        one.files["shop/sums.py"]


@pytest.mark.parametrize("form", [list, json.dumps, repr])
def test_names_come_as_lists_as_json_and_as_python(read, form):
    names = ["a (b.C)", 'it\'s "quoted"']
    (one,) = read({**ROW, "FAIL_TO_PASS": form(names), "PASS_TO_PASS": form([])}).instances
    assert (one.tests.fail_to_pass, one.tests.pass_to_pass) == (tuple(names), ())


def test_parquet_is_the_same_dataset(read):
    assert read(ROW, name="lite.parquet") == read(ROW)


DJANGO = {**ROW, "repo": "django/django", "FAIL_TO_PASS": ["test_a (one.tests.T)"], "PASS_TO_PASS": ["A docstring::b"]}
SYMPY = {**ROW, "repo": "sympy/sympy", "FAIL_TO_PASS": ["test_a"], "PASS_TO_PASS": []}


@pytest.mark.parametrize(
    ("row", "paths", "official", "wanted"),
    [
        (DJANGO, ["tests/one/tests.py", "tests/one/file.txt"], "", ("one.tests",)),
        (DJANGO, ["tests/one/tests.py", "tests/one/urls.py"], "runtests.py -v 2 one.tests", ("one.tests",)),
        (SYMPY, ["sympy/core/tests/test_a.py", "sympy/core/tests/test_b.py"], "", None),
        (ROW, ["tests/roots/conf.py", "tests/test_sums.py"], "pytest tests/roots/conf.py", ("tests/test_sums.py",)),
    ],
)
def test_what_is_run_is_what_the_names_or_the_patch_say(read, row, paths, official, wanted):
    script = f": '>>>>> Start Test Output'\n{official}\n: '>>>>> End Test Output'\n" if official else None
    patch = "".join(PATCH.format(path) for path in paths)
    (one,) = read({**row, "test_patch": patch, "eval_script": script}).instances
    assert one.tests.targets == (wanted or tuple(paths))


def test_the_official_image_is_the_one_that_the_row_names(read):
    rows = [{**ROW, "image": "mine:1"}, {**ROW, "instance_id": "Example__Shop-2"}]
    assert [one.image for one in read(*rows, images="official").instances] == [
        "mine:1",
        "swebench/sweb.eval.x86_64.example_1776_shop-2:latest",
    ]


def test_samples_are_drawn_by_repository_and_difficulty(read):
    rows = [
        {**ROW, "instance_id": f"i-{n}", "repo": f"o/{'ab'[n % 2]}", "difficulty": "xy"[n % 3 > 0]} for n in range(12)
    ]
    instances = read(*rows).instances
    assert {one.metadata["repo"] for one in sample(instances, 2, by="repo")} == {"o/a", "o/b"}
    assert [one.difficulty for one in sample(instances, 3, by="difficulty")].count("x") == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{key: ROW[key] for key in ROW if key != "test_patch"}], [": no column 'test_patch', which"]),
        ([{**{k: v for k, v in ROW.items() if k != "patch"}, "patchh": "x"}], ["'patch', which", "mean 'patchh'?"]),
        ([ROW, ROW], [":2: instance_id: 'example__shop-1' is already that of line 1"]),
        ([{**ROW, "base_commit": "main"}], [":1: base_commit: 'main' is no full hash"]),
        ([{**ROW, "instance_id": "../up"}], ["names no folder"]),
        ([{**ROW, "FAIL_TO_PASS": "[1"}], [":1: FAIL_TO_PASS: must be a list"]),
        ([{**ROW, "FAIL_TO_PASS": [], "version": None}, ROW], [":1: version: must be a text"]),
        ([{**ROW, "FAIL_TO_PASS": "[]"}], [":1: FAIL_TO_PASS: is empty"]),
        ([{**ROW, "PASS_TO_PASS": [1]}, 3], [":1: PASS_TO_PASS: must hold texts only", ":2: must be an object"]),
        ([], ["holds no instance"]),
    ],
)
def test_faults_are_told_by_line_and_column(read, rows, said):
    with pytest.raises(DatasetError) as caught:
        read(*rows)
    for words in said:
        assert words in str(caught.value)


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(DatasetError, match="no parquet file"):
        SweBenchDataset(str(tmp_path / "a.parquet"), places=Places(), workspace=Nowhere()).load()


@pytest.mark.parametrize("settings", [{"answer": "text"}, {"images": "some"}, {"path": " "}])
def test_settings_that_can_never_work_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        SweBenchDataset(**{"path": "a.jsonl", "places": Places(), "workspace": Nowhere(), **settings})
