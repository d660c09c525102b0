"""`feedback.kind: tests`: what failed and where, what was tried, a hint, a fresh start when stuck."""

from dataclasses import replace

import pytest
import yaml

from evalkit.core.edits import Tree
from evalkit.core.failure import Failure
from evalkit.core.feedback import Feedback, shows_hidden_tests, tell
from evalkit.core.types import Candidate, Finding, Outcome, TestResult
from evalkit.places import installed
from tests.core.builders import attempt, finding

SHIPPED = yaml.safe_load((installed("conf") / "feedback" / "tests.yaml").read_text())
PLAIN = Feedback("tests", stuck_after=0, tried=0)
STUCK = replace(PLAIN, stuck_after=2, stuck="Take another way.")


def words(text):
    return len(text.split())


def failing(name, message="expected 3, got 2", excerpt="calc.py:12: return a", source="test"):
    return Finding(name, message, excerpt=excerpt, source=source)


def tried(number, *findings, failure=Failure.TEST_FAILURE, edited=(), rung="one"):
    made = attempt(number, rung, number, failure=failure, findings=findings)
    files = Tree({})
    for path in edited:
        files[path] = "changed\n"
    return replace(made, candidate=Candidate("edits", files=files if edited else None))


def lines(settings, *history):
    return tell(settings, history, words).lines


def test_a_failing_test_is_told_with_its_name_what_was_expected_and_the_place():
    assert lines(PLAIN, tried(1, failing("test_sum"))) == ("test_sum: expected 3, got 2\n  calc.py:12: return a",)


def test_a_name_that_the_message_begins_with_is_said_once():
    for message in ("test_sum: expected 3", "test_sum (and 2 more tests): not seen to run"):
        assert lines(PLAIN, tried(1, failing("test_sum", message, ""))) == (message,)


def test_tests_that_fail_of_one_cause_share_a_line():
    same = [failing(f"test_{number}", "No module named 'x'") for number in range(4)]
    (line,) = lines(PLAIN, tried(1, *same))
    assert line.startswith("test_0 and 3 more tests: No module named 'x'")


def test_a_finding_of_several_attempts_is_told_once_with_the_first_of_them():
    moved = failing("test_sum", excerpt="calc.py:14: return a")  # an edit above it moved it
    told = lines(PLAIN, tried(1, failing("test_sum")), tried(2, failing("test_old", "x")), tried(3, moved))
    assert told == ("Still, since attempt 1: test_sum: expected 3, got 2\n  calc.py:14: return a",)


def test_where_edits_did_not_apply_the_tests_of_the_attempt_before_are_still_told():
    lost = tried(2, finding("Edit 1 (calc.py): not there", source="answer"), failure=Failure.APPLY_FAILED)
    assert lines(PLAIN, tried(1, failing("test_sum")), lost) == (
        "Edit 1 (calc.py): not there",
        "Of attempt 1: test_sum: expected 3, got 2\n  calc.py:12: return a",
    )


def test_findings_with_a_place_in_the_repository_go_first():
    told = lines(PLAIN, tried(1, failing("test_a", "error", ""), failing("test_b", "wrong")))
    assert [line.partition(":")[0] for line in told] == ["test_b", "test_a"]


@pytest.mark.parametrize(
    ("tests", "names"),
    [("hidden", ["test_hidden", "test_there"]), ("visible", ["test_there"]), ("none", [])],
)
def test_which_tests_may_be_told_is_a_setting(tests, names):
    made = tried(1, failing("test_hidden"), failing("test_there", "another", source="visible"))
    told = lines(replace(PLAIN, tests=tests), made)
    assert [line.partition(":")[0] for line in told] == names


def test_invariant_9_only_feedback_of_hidden_tests_marks_the_run():
    found = {tests: shows_hidden_tests(replace(PLAIN, tests=tests), tested=True) for tests in ("hidden", "visible")}
    assert found == {"hidden": True, "visible": False}


def test_what_hidden_tests_said_does_not_decide_on_a_fresh_start_where_it_is_kept_back():
    one, other = tried(1, failing("test_a")), tried(2, failing("test_b"))
    assert tell(STUCK, [one, other], words).stuck == ""
    assert tell(replace(STUCK, tests="visible"), [one, other], words).stuck == "Take another way."


def test_earlier_attempts_get_a_line_each_of_files_and_end():
    wrong = replace(tried(1, failing("test_sum"), edited=("b.py", "a.py")))
    results = (TestResult("a", Outcome.PASSED), TestResult("b", Outcome.FAILED), TestResult("c", Outcome.MISSING))
    wrong = replace(wrong, verdict=replace(wrong.verdict, tests=results))
    many = tried(2, failure=Failure.SYNTAX_ERROR, edited=("a.py", "b.py", "c.py", "d.py"))
    none = tried(3, failure=Failure.NO_EDITS)
    settings = replace(PLAIN, tried=3)
    assert tell(settings, [wrong, many, none], words).tried == (
        "Attempt 1 edited a.py, b.py: 2 of 3 tests failed.",
        "Attempt 2 edited a.py, b.py, c.py and 1 more: syntax error.",
        "Attempt 3: no edits.",
    )
    kept_back = tell(replace(settings, tests="visible", tried=1), [wrong], words).tried
    assert kept_back == ("Attempt 1 edited a.py, b.py: test failure.",)  # a number of failures is an outcome too


def test_a_hint_is_told_after_its_class_alone_and_null_takes_it_away():
    settings = Feedback("last", hints={"no_edits": "Write edits.", "no_change": None})
    assert lines(settings, tried(1, failure=Failure.NO_EDITS)) == ("Write edits.",)
    assert lines(settings, tried(1, failure=Failure.NO_CHANGE)) == ()


def test_the_same_failure_twice_starts_again_from_the_problem_with_other_words():
    """Invariant 6: the prompt differs from both before."""
    history = [tried(number, failing("test_sum"), edited=("a.py",)) for number in (1, 2, 3, 4)]
    settings = replace(STUCK, tried=3)
    found = [tell(settings, history[:count], words) for count in (1, 2, 3, 4)]
    assert [bool(told.stuck) for told in found] == [False, True, False, True]
    assert found[1].findings == ()
    assert found[2].findings == ("test_sum: expected 3, got 2\n  calc.py:12: return a",)  # no `still`: it began anew
    assert len({told.lines for told in found}) == 4


@pytest.mark.parametrize(
    "second",
    [
        tried(2, failing("test_sum", "expected 3, got 4")),
        tried(2, failing("test_sum"), failing("test_other")),
        tried(2, failing("test_sum"), failure=Failure.CANDIDATE_TIMEOUT),
        tried(2, failing("test_sum"), rung="two"),
    ],
)
def test_another_failure_or_another_rung_is_no_standstill(second):
    assert tell(STUCK, [tried(1, failing("test_sum")), second], words).stuck == ""


def test_an_address_or_a_duration_in_a_message_makes_no_other_failure():
    one, other = (tried(n, failing("t", f"<X at 0x7f{n}> != 1 in 0.{n}3s")) for n in (1, 2))
    assert tell(STUCK, [one, other], words).stuck


def test_the_budget_keeps_the_first_finding_and_the_hint_then_what_was_tried_then_the_rest():
    failed = tried(1, failing("test_a", "one two", ""), failing("test_b", "three four", ""), edited=("a.py",))
    settings = replace(PLAIN, tried=1, hints={"test_failure": "Look again."}, tokens=11)
    told = tell(settings, [failed], words)
    assert told.lines == ("test_a: one two", "Look again.", "Attempt 1 edited a.py: test failure.")
    assert told.dropped == ("test_b: three four",)
    least = tell(replace(settings, tokens=5), [failed], words)
    assert (least.lines, len(least.dropped)) == (("test_a: one two", "Look again."), 2)


def test_a_first_finding_beyond_the_budget_is_cut_and_never_left_out():
    told = tell(replace(PLAIN, tokens=20, tokens_after_empty=5), [tried(1, failing("t", "long " * 90, ""))], words)
    assert words(told.lines[0]) <= 20
    assert told.lines[0].endswith("…")


def test_the_shipped_settings_hold_a_hint_for_every_class_that_a_model_can_mend():
    settings = Feedback(**SHIPPED)
    theirs = {Failure.REFUSED, Failure.CONTEXT_WINDOW, Failure.MODEL_UNAVAILABLE, Failure.RUNG_SKIPPED}
    assert set(settings.hints) == {str(one) for one in Failure if not one.is_outage and one not in theirs}
    assert all(words(hint) < 30 for hint in settings.hints.values())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "test"}, "feedback.kind is 'test'"),
        ({"tests": "seen"}, "visible, hidden, none"),
        ({"hints": {"no_edit": "x"}}, "did you mean 'no_edits'"),
        ({"hints": {"sandbox": "x"}}, "no failure class that has hints"),
        ({"stuck_after": 2}, "feedback.stuck is empty"),
        ({"tried": -1}, "feedback.tried is -1"),
    ],
)
def test_what_can_never_work_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Feedback(**wrong)
