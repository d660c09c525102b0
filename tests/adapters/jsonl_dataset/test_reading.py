"""A dataset file: what it holds comes out as instances, and its digest is of all of it."""

import gzip
import json

import pytest

from evalkit.core.types import Case
from tests.adapters.jsonl_dataset.lines import CODE, RULE, TEXT


def test_all_that_a_line_says_is_in_the_instance(reader):
    (instance,) = reader(CODE).instances
    assert (instance.id, instance.answer, instance.difficulty) == ("double", "code:python", "easy")
    assert instance.tags == ("python", "numbers")
    assert instance.tests.cases == (Case(args=(2,), returns=4), Case(raises="TypeError"))
    assert (instance.good, instance.bad) == (tuple(CODE["good"]), tuple(CODE["bad"]))
    assert (instance.files, instance.metadata) == (CODE["files"], CODE["metadata"])


@pytest.mark.parametrize(
    "tests",
    [
        {
            "kind": "sqlite",
            "setup": "CREATE TABLE t (n);",
            "ordered": False,
            "cases": [{"setup": "", "returns": [[1]]}],
        },
        {"kind": "pytest", "code": "def test_it(): pass", "names": ["test_it"], "timeout_s": 3},
        {"kind": "command", "command": ["python", "candidate.py"]},
    ],
    ids=lambda tests: tests["kind"],
)
def test_every_kind_of_tests_is_read(reader, tests):
    (instance,) = reader({"id": "a", "prompt": "b", "tests": tests}).instances
    for key in tests.keys() - {"cases"}:
        given_ = tests[key]
        assert getattr(instance.tests, key) == (tuple(given_) if isinstance(given_, list) else given_)


def test_a_rubric_is_given_inline_or_by_name(reader):
    inline, named = reader(TEXT, {**TEXT, "id": "other", "rubric": "polite"}).instances
    assert inline.rubric.rules == named.rubric.rules


def test_equal_rubrics_are_one_object(reader):
    instances = reader(*({**TEXT, "id": f"i{number}"} for number in range(50))).instances
    assert len({id(instance.rubric) for instance in instances}) == 1


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(TEXT).encode(),
        b"\xef\xbb\xbf" + json.dumps(TEXT).encode() + b"\r\n\r\n",
        b"\n\n" + json.dumps(TEXT).encode() + b"\n \n",
    ],
    ids=["no newline at the end", "byte order mark and CRLF", "blank lines"],
)
def test_harmless_differences_of_files_make_no_difference(reader, raw):
    assert reader(raw=raw) == reader(TEXT)


def test_a_gzipped_file_is_the_same_dataset(reader):
    packed = gzip.compress(json.dumps(TEXT).encode())
    assert reader(name="tasks.jsonl.gz", raw=packed) == reader(TEXT)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Say it."},
        {"id": "other"},
        {"good": ["hi"]},
        {"metadata": {"big": 10**40}},
        {"rubric": {"rules": [{**RULE, "words": {"max": 6}}]}},
        {"rubric": {"rules": [{**RULE, "message": "Less!"}]}},
        {"tests": CODE["tests"]},
    ],
)
def test_the_digest_changes_with_any_content(reader, change):
    assert reader({**TEXT, **change}).digest != reader(TEXT).digest


def test_the_digest_does_not_change_with_how_the_file_is_written(reader):
    turned = dict(reversed(CODE.items()))
    spaced = json.dumps({**turned, "difficulty": "easy"}, indent=None, separators=(" , ", " : "))
    assert reader(spaced).digest == reader(CODE).digest
