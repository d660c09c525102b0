"""HumanEval: the original file becomes instances whose tests take a whole function and a body alone."""

import gzip
import json

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.humaneval_dataset import HumanEvalDataset
from evalkit.core.errors import DatasetError
from evalkit.core.types import Candidate
from evalkit.places import Places
from evalkit.run.tests_verifier import TestsVerifier
from tests.sandboxes import why_no_bubblewrap

# Of our own writing, in HumanEval's form: the prompt brings an import and a helper that the check calls.
STUB = '''from typing import List


def double(n: int) -> int:
    return 2 * n


def doubles(numbers: List[int]) -> List[int]:
    """The doubles of all numbers."""
'''
BODY = "    found = []\n    for n in numbers:\n        found.append(double(n))\n    return found\n"
TEST = "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [double(1), 4]\n"
PROBLEM = {"task_id": "Own/0", "prompt": STUB, "entry_point": "doubles", "canonical_solution": BODY, "test": TEST}


@pytest.fixture
def read(tmp_path):
    def reading(*problems, name="problems.jsonl"):
        raw = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in problems).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return HumanEvalDataset(str(path), places=Places()).load()

    return reading


def test_a_problem_becomes_an_instance(read):
    dataset = read(PROBLEM)
    (instance,) = dataset.instances
    assert (dataset.name, instance.id, instance.metadata["task_id"]) == ("humaneval", "Own_0", "Own/0")
    assert STUB.strip() in instance.prompt
    assert instance.good == (STUB + BODY,)
    assert (instance.tests.kind, instance.tests.isolation) == ("pytest", "values")


def test_the_packed_file_is_the_same_dataset(read):
    assert read(PROBLEM, name="problems.jsonl.gz") == read(PROBLEM)


@pytest.mark.parametrize(
    ("candidate", "accepted"),
    [
        (STUB + BODY, True),
        (BODY, True),
        (BODY.strip() + "\n", True),
        ("def doubles(numbers: List[int]) -> List[int]:\n" + BODY, True),
        ("def doubles(numbers):\n    return [2 * n for n in numbers]\n\n\nprint(doubles([3]))\n", True),
        (
            "from __future__ import annotations\n\n\ndef double(n):\n    return 2 * n\n\n\ndef doubles(numbers):\n"
            + BODY,
            True,
        ),
        ("", False),
        ("    return None\n", False),
        ("def other(numbers):\n" + BODY, False),
        ("def doubles(numbers:\n", False),
        ("def doubles(numbers):\n    return numbers\n", False),
        ("raise SystemExit(0)\n", False),
        ("def check(candidate):\n    pass\n", False),
    ],
    ids=[
        "prompt and body",
        "body alone",
        "body without its first indent",
        "whole function without the prompt's imports",
        "whole function with code behind it",
        "whole file with a future import",
        "empty",
        "stub that returns None",
        "another function",
        "syntax error",
        "wrong",
        "exits",
        "redefines the check",
    ],
)
async def test_a_candidate_is_accepted_as_the_original_harness_would(read, candidate, accepted):
    if why := why_no_bubblewrap():
        pytest.skip(why)
    (instance,) = read(PROBLEM).instances
    verdict = await TestsVerifier(BubblewrapSandbox(), timeout_s=20).verify(instance, Candidate(candidate, "python"))
    assert verdict.accepted is accepted


def test_all_faults_of_a_file_are_told_at_once(read):
    other = {**PROBLEM, "task_id": "Own/1"}
    with pytest.raises(DatasetError) as caught:
        read(
            PROBLEM,
            {"task_id": "Own/2", "prompt": "def f():"},
            {**other, "task_id": "../x"},
            PROBLEM,
            {**other, "entry_point": "f()"},
            {**other, "task_id": "Own/3", "test": "def check(:"},
            "{",
            "[]",
        )
    told = [line.partition("problems.jsonl:")[2] for line in str(caught.value).splitlines()]
    assert [line[:30] for line in told] == [
        "2: not a HumanEval problem: en",
        "3: task_id: '../x' names no fo",
        "4: task_id: 'Own/0' is already",
        "5: entry_point: 'f()' is not t",
        "6: prompt, test: are not Pytho",
        "7: is not JSON: Expecting prop",
        "8: not a HumanEval problem: ta",
    ]


def test_an_empty_file_is_a_fault(read):
    with pytest.raises(DatasetError, match="holds no problem"):
        read()
