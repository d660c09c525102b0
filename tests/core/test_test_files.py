"""Which files are tests, and what a test command is told to run."""

import pytest

from evalkit.core.test_files import is_test, label, targets, touched


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/data/a.json", True),
        ("src/a/test/b.txt", True),
        ("testing/test_a.py", True),
        ("a/test_b.py", True),
        ("a/b_test.py", True),
        ("conftest.py", True),
        ("app/tests.py", True),
        ("a/latest.py", False),
        ("testutils/a.py", False),
        ("a/contest.py", False),
        ("docs/test_results.md", False),
    ],
)
def test_tests_are_known_by_name_or_folder(path, expected):
    assert is_test(path) is expected


def test_a_patch_names_its_files_once_each():
    head = "diff --git a/{0} b/{0}\n"
    patch = "".join(head.format(path) for path in ("a.py", "b c.py", "a.py")) + 'diff --git "a/\\303" "b/\\303"\n'
    assert touched(patch) == ("a.py", "b c.py", "\\303")
    assert targets(patch, ["z.py::t", "b c.py::t", "a.py::u[x::y]"]) == ("a.py", "b c.py", "z.py")
    assert targets(patch, ["t"]) == ("a.py", "b c.py")


def test_django_s_runner_is_told_labels():
    assert label("tests/admin_views/test_x.py") == "admin_views.test_x"
