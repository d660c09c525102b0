"""What went wrong, sorted by cause, and where it points."""

from dataclasses import astuple, replace

import pytest

from evalkit.core.edits import apply, written
from evalkit.core.failure import Failure
from evalkit.core.triage import CAUSES, Lever, Triaging, cause, gold_files, markdown
from evalkit.core.types import Candidate, Instance, Solution, Status
from tests.core.builders import attempt, finding

FILES = {"a.py": "a = 1\n", "b.py": "b = 1\n", "CHANGES.rst": "none\n"}
GOLD = written("unified_diff", FILES, {**FILES, "a.py": "a = 2\n", "CHANGES.rst": "a is 2\n"})
BOTH = written("unified_diff", FILES, {**FILES, "a.py": "a = 2\n", "b.py": "b = 2\n"})
TASK = Instance("t", "?", answer="whole_file", files=FILES, gold=GOLD)


def tried(number=1, *, edits=None, shown=("a.py",), failure=Failure.TEST_FAILURE, text="", said="wrong"):
    made = attempt(number, "one", number, failure=failure, findings=[finding(said)])
    if edits is not None:
        text = written("whole_file", FILES, {**FILES, **dict.fromkeys(edits, "new = 1\n")})
    done = apply("whole_file", text, FILES)
    files = None if done.failure else done.files
    return replace(made, prompt=replace(made.prompt, files=shown), candidate=Candidate(text, files=files))


def climb(*attempts, status=Status.UNSOLVED, **more):
    return Solution(more.pop("name", "t"), 1, status, more.pop("reason", "max_attempts"), attempts, **more)


def test_release_notes_are_no_file_that_a_patch_must_change():
    assert gold_files(TASK) == {"a.py"}


def test_of_an_instance_with_edits_the_good_answer_is_the_known_patch():
    good = written("whole_file", FILES, {**FILES, "b.py": "b = 2\n"})
    assert gold_files(replace(TASK, gold="", good=(good,))) == {"b.py"}


@pytest.mark.parametrize(
    ("gold", "made", "name"),
    [
        (GOLD, tried(edits=["a.py"]), "test_failure.right_file"),
        (GOLD, tried(edits=["a.py", "b.py"]), "test_failure.right_file"),
        (GOLD, tried(edits=["b.py"]), "test_failure.wrong_file"),
        (GOLD, tried(edits=["b.py"], shown=("b.py",)), "test_failure.not_shown"),
        (BOTH, tried(edits=["a.py"]), "test_failure.some_files"),
        ("", tried(edits=["a.py"]), "test_failure"),
        (GOLD, tried(edits=["a.py"], failure=Failure.CANDIDATE_TIMEOUT), "candidate_timeout"),
        (GOLD, tried(failure=Failure.NO_EDITS), "no_edits"),
        (GOLD, tried(failure=Failure.APPLY_FAILED, edits=["a.py"]), "apply_failed"),
        (GOLD, tried(failure=Failure.APPLY_FAILED, edits=["b.py"]), "apply_failed.not_shown"),
    ],
)
def test_a_cause_says_whether_the_right_file_was_shown_and_edited(gold, made, name):
    instance = replace(TASK, gold=gold)
    assert cause(instance, made, gold_files(instance)) == name


def test_climbs_are_counted_by_their_end_and_attempts_wherever_they_were_made():
    triaging = Triaging([TASK])
    triaging.climbed(climb(tried(1, failure=Failure.NO_EDITS), tried(2, edits=["b.py"]), tried(3, edits=["b.py"])))
    solved = replace(tried(2, edits=["a.py"], failure=None))
    triaging.climbed(climb(tried(1, failure=Failure.NO_EDITS), solved, status=Status.SOLVED))
    triaging.climbed(climb(status=Status.QUARANTINED, reason="quarantined", error="nothing passes"))
    triaging.climbed(climb(status=Status.UNFINISHED, reason="outage", failure=Failure.RATE_LIMIT, error="429"))
    found = {row.cause: row for row in triaging.found.rows}
    assert {name: (row.climbs, row.attempts, row.lever) for name, row in found.items()} == {
        "test_failure.wrong_file": (1, 2, Lever.PROMPT),
        "no_edits": (0, 2, Lever.PROMPT),
        "quarantined": (1, 0, Lever.DATASET),
        "rate_limit": (1, 0, Lever.ENVIRONMENT),
        "repeated": (0, 1, Lever.FEEDBACK),
    }
    assert found["test_failure.wrong_file"].example.attempt == 2
    assert found["test_failure.wrong_file"].instances == ("t",)
    assert found["quarantined"].example.finding == "nothing passes"
    assert triaging.found.located == replace(triaging.found.located, attempts=5, shown=5, edited=1)


def test_nothing_that_failed_is_no_row():
    triaging = Triaging([replace(TASK, gold="")])
    triaging.climbed(climb(tried(edits=["a.py"], failure=None), status=Status.SOLVED))
    assert (triaging.found.rows, triaging.found.located) == ((), None)


def test_every_class_has_a_lever_and_advice():
    assert {str(one) for one in Failure if not one.is_outage} <= CAUSES.keys()


def test_the_table_survives_what_a_finding_may_hold():
    triaging = Triaging([TASK])
    triaging.climbed(climb(tried(edits=["a.py"], said="a | b\nsecond line")))
    line = markdown(triaging.found).splitlines()[2]
    assert "t attempt 1: a \\| b second line" in line


def test_a_single_attempt_is_counted_in_numbers_as_many_are():
    triaging = Triaging([TASK])
    triaging.climbed(climb(tried(edits=["b.py"])))
    assert astuple(triaging.found.located) == (1, 1, 0)
    assert {type(number) for number in astuple(triaging.found.located)} == {int}  # True is no number in a summary.json
