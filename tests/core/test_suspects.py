"""Which rules real answers make doubtful."""

from dataclasses import replace

import pytest

from evalkit.core.failure import Failure
from evalkit.core.judge import judge, rejected
from evalkit.core.rubric import Rubric, Rule
from evalkit.core.rules.instance_tests import InstanceTests
from evalkit.core.rules.regex import Regex
from evalkit.core.suspects import Answer, Held, Suspicions, Watch, held
from evalkit.core.types import (
    Candidate,
    Finding,
    Instance,
    Outcome,
    Solution,
    Status,
    TestResult,
    Tests,
    Verdict,
)
from tests.core.builders import attempt

TESTS = Tests("cases", call="f")


def rule(name, **more):
    return Rule(name, "regex", Regex(name), f"Mend {name}.", **more)


A, B = rule("a"), rule("b")
BOTH = Rubric("mine", (A, B))


def answers(*given, rubric=BOTH, passes=None):
    """Suspicions after answers, each the ids of the rules that it breaks."""
    found = Suspicions()
    for number, ids in enumerate(given, 1):
        rules = tuple((rubric, one) for one in rubric.rules)
        broken = frozenset(ids)
        found.add(Held(Answer("i", 1, number), rules, broken, broken, passes, testable=True))
    return found


def why(suspicions):
    return {(one.rule, one.why): [answer.attempt for answer in one.answers] for one in suspicions.found()}


@pytest.mark.parametrize(
    ("given", "passes", "suspects"),
    [
        (["a", "a", "", "b"], None, {}),  # four answers say nothing
        (["a", "a", "a", "a", "a"], None, {("a", "always_fired"): [1, 2, 3, 4, 5], ("b", "never_fired"): []}),
        (["a", "ab", "b", "", ""], None, {}),
        (["a", "ab", "b", "", ""], True, {("a", "only_objection"): [1], ("b", "only_objection"): [3]}),
        (["a", "ab", "b", "", ""], False, {}),
    ],
)
def test_rules_are_suspected_of(given, passes, suspects):
    assert why(answers(*given, passes=passes)) == suspects


def test_answers_that_one_rule_alone_rejects_wait_for_their_tests():
    assert [one.attempt for one in answers("a", "ab", "").untested] == [1]
    assert answers("a", "ab", "", passes=True).untested == []


def test_the_same_rule_in_many_instances_rubrics_is_one_rule():
    found = Suspicions()
    for number in range(5):
        rubric = Rubric("", (rule("a"),))
        found.add(Held(Answer(f"i{number}", 1, 1), ((rubric, rubric.rules[0]),), frozenset(), frozenset(), None))
    (suspect,) = found.found()
    assert (suspect.rule, suspect.judged) == ("a", 5)


def test_a_threshold_makes_every_broken_rule_an_objection_unless_it_is_reached():
    weighty, light = rule("a", required=False, weight=3), rule("b", required=False)
    judged = _held(Rubric("", (weighty, light), threshold=0.7), Finding("a", "", required=False))
    assert judged.objections == {"a"}
    judged = _held(Rubric("", (weighty, light), threshold=0.7), Finding("b", "", required=False))
    assert (judged.broken, judged.objections) == ({"b"}, set())
    assert _held(Rubric("", (weighty, rule("b"))), Finding("b", "")).objections == {"b"}


@pytest.mark.parametrize(
    ("outcomes", "passes"),
    [([], None), ([Outcome.PASSED, Outcome.PASSED], True), ([Outcome.PASSED, Outcome.FAILED], False)],
)
def test_a_verdict_tells_whether_the_tests_passed(outcomes, passes):
    tests = tuple(TestResult(str(number), outcome) for number, outcome in enumerate(outcomes))
    verdict = Verdict(accepted=False, findings=(Finding("a", ""), Finding("1", "", source="test")), tests=tests)
    judged = held(Instance("i", "", rubric=BOTH, tests=TESTS), None, replace(attempt(1, "r"), verdict=verdict), 1)
    assert (judged.passes, judged.broken, judged.testable) == (passes, {"a"}, True)


def test_what_is_no_answer_is_held_against_no_rule():
    nothing = replace(attempt(1, "r"), candidate=Candidate("", failure=Failure.NO_ANSWER))
    assert held(Instance("i", "", rubric=BOTH), None, nothing, 1) is None
    assert held(Instance("i", ""), None, attempt(1, "r"), 1) is None


@pytest.mark.parametrize("text", ["", "a" * 1_000_001])
def test_what_was_rejected_unread_says_nothing_of_any_rule(text):
    verdict = rejected(Candidate("", failure=Failure.EMPTY_RESPONSE)) if not text else judge(BOTH, text)
    judged = held(Instance("i", "", rubric=BOTH), None, replace(attempt(1, "r"), verdict=verdict), 1)
    assert (judged.rules, judged.objections) == ((), set())


def test_an_answer_that_a_rule_of_kind_tests_rejects_has_been_tested():
    rubric = Rubric("", (Rule("works", "tests", InstanceTests(), "Make it work."),))
    verdict = Verdict(accepted=False, findings=(Finding("works", "", source="test"),))
    watch = Watch([Instance("i", "", rubric=rubric, tests=TESTS)], None)
    watch.climbed(Solution("i", 1, Status.UNSOLVED, "", (replace(attempt(1, "r"), verdict=verdict),)))
    assert watch.untested == 0


def test_a_run_is_watched_climb_by_climb():
    watch = Watch([Instance("i", "", tests=TESTS)], BOTH)
    verdict = Verdict(accepted=False, failure=Failure.RULE_VIOLATION, findings=(Finding("a", ""),))
    made = tuple(replace(attempt(number, "r"), verdict=verdict) for number in range(1, 6))
    watch.climbed(Solution("i", 1, Status.UNSOLVED, "max_attempts", made))
    assert {(one.rule, one.why, one.rubric) for one in watch.suspects} == {
        ("a", "always_fired", "mine"),
        ("b", "never_fired", "mine"),
    }
    assert watch.untested == 5


def _held(rubric, finding):
    verdict = Verdict(accepted=False, findings=(finding,))
    return held(Instance("i", "", rubric=rubric), None, replace(attempt(1, "r"), verdict=verdict), 1)
