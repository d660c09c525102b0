"""The judgement of a candidate by a rubric."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.failure import Failure
from evalkit.core.judge import LARGEST, failed_examples, judge, merged, rejected
from evalkit.core.rubric import Rubric, Rule, Violation
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.types import Candidate, Outcome, TestResult, Verdict


class Says:
    """A check with violations of one's choice."""

    def __init__(self, *violations):
        self.found = list(violations)

    def violations(self, candidate):
        return self.found


def rule(name="r", *violations, message="Mend it.", **more):
    return Rule(name, "says", Says(*violations), message, **more)


@pytest.mark.parametrize(
    ("message", "violation", "expected"),
    [
        ("Mend it.", Violation(), "Mend it."),
        ("Mend it.", Violation("found x"), "Mend it. (found x)"),
        ("Mend it.", Violation("found x", 3, "x = 1"), "Mend it. (found x, line 3)"),
        ("No {detail} on line {line}: {excerpt}", Violation("x", 3, "x = 1"), "No x on line 3: x = 1"),
        ("Line {line}", Violation("x"), "Line ?"),
        ('Answer {"a": {b}} {', Violation("x"), 'Answer {"a": {b}} { (x)'),
        ("{detail}", Violation("{line}", 3), "{line}"),
        ("{0} {detail!r} {line.x}", Violation(), "{0} {detail!r} {line.x}"),
    ],
)
def test_a_finding_says_what_was_found_and_where(message, violation, expected):
    (finding,) = judge(Rubric("r", (rule("r", violation, message=message),)), "text").findings
    assert finding.message == expected
    assert (finding.line, finding.excerpt) == (violation.line, violation.excerpt)


def test_a_rule_that_breaks_in_many_places_names_three_and_counts_the_rest():
    findings = judge(Rubric("r", (rule("r", *[Violation("x", n) for n in range(1, 11)]),)), "text").findings
    assert [finding.line for finding in findings] == [1, 2, 3]
    assert findings[-1].message.endswith("(and in 7 more places)")


BROKEN = (Violation("x"),)


@pytest.mark.parametrize(
    ("rules", "threshold", "accepted", "score"),
    [
        ([rule("a"), rule("b")], None, True, 1.0),
        ([rule("a"), rule("b", *BROKEN)], None, False, 0.5),
        ([rule("a"), rule("b", *BROKEN, required=False)], None, True, 0.5),
        ([rule("a", weight=3, required=False), rule("b", *BROKEN, required=False)], 0.75, True, 0.75),
        ([rule("a", weight=3, required=False), rule("b", *BROKEN, required=False)], 0.76, False, 0.75),
        ([rule("a", weight=3, required=False), rule("b", *BROKEN)], 0.5, False, 0.75),
        ([rule("a", weight=0), rule("b", *BROKEN, weight=0, required=False)], None, True, 0.5),
    ],
)
def test_all_required_rules_must_hold_and_the_threshold_be_met(rules, threshold, accepted, score):
    verdict = judge(Rubric("r", tuple(rules), threshold=threshold), "text")
    assert (verdict.accepted, verdict.score) == (accepted, score)
    assert verdict.failure is (None if accepted else Failure.RULE_VIOLATION)
    assert verdict.rules_total == len(rules)
    assert [finding.rule for finding in verdict.findings] == [r.id for r in rules if r.check.found]


def test_an_answer_beyond_all_measure_is_rejected_without_running_a_rule():
    rubric = Rubric("r", (Rule("r", "regex", Regex("x"), "m"),))
    verdict = judge(rubric, "x" * (LARGEST + 1))
    assert not verdict.accepted
    assert "too long" in verdict.findings[0].message
    assert (verdict.rules_passed, verdict.rules_total) == (0, 1)


LETTERS = st.sampled_from("abcde")
RULES = st.lists(
    st.builds(
        lambda kind, letter, weight, required: (kind, letter, weight, required),
        st.sampled_from([Regex, NotRegex]),
        LETTERS,
        st.floats(0, 1e6),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(RULES, st.none() | st.floats(0.001, 1), st.text("abcde\n"), st.randoms())
def test_judging_is_deterministic_and_the_order_of_rules_decides_nothing(parts, threshold, candidate, random):
    rules = [
        Rule(str(number), "x", kind(letter), "m", weight=weight, required=required)
        for number, (kind, letter, weight, required) in enumerate(parts)
    ]
    verdict = judge(Rubric("r", tuple(rules), threshold=threshold), candidate)
    assert verdict == judge(Rubric("r", tuple(rules), threshold=threshold), candidate)
    assert 0 <= verdict.score <= 1
    assert verdict.accepted == (verdict.failure is None)
    shuffled = random.sample(rules, len(rules))
    other = judge(Rubric("r", tuple(shuffled), threshold=threshold), candidate)
    assert (other.accepted, other.score, other.rules_passed) == (
        verdict.accepted,
        verdict.score,
        verdict.rules_passed,
    )
    assert sorted(map(str, other.findings)) == sorted(map(str, verdict.findings))


@pytest.mark.parametrize("failure", list(Failure))
def test_a_candidate_that_is_none_is_rejected_with_words_for_the_model(failure):
    verdict = rejected(Candidate("", failure=failure, detail="no block of python"))
    assert not verdict.accepted
    assert verdict.failure is failure
    assert "(no block of python)" in verdict.findings[0].message


def test_an_empty_answer_is_told_so():
    verdict = rejected(Candidate("", failure=Failure.EMPTY_RESPONSE))
    assert [finding.message for finding in verdict.findings] == ["Your answer was empty."]


def test_merged_verdicts_accept_if_all_do_and_fail_as_the_first_that_does_not():
    passed = TestResult("t", Outcome.PASSED)
    good = Verdict(accepted=True, score=1.0, rules_passed=3, rules_total=3, seconds=1.0)
    tested = Verdict(accepted=True, tests=(passed,), score=1.0, seconds=2.0)
    bad = Verdict(accepted=False, failure=Failure.TEST_FAILURE, score=0.0, rules_total=1)
    assert merged([good, tested]).accepted
    assert merged([good, tested]).tests == (passed,)
    assert merged([good, tested]).seconds == 3.0
    both = merged([good, bad, rejected(Candidate("", failure=Failure.NO_ANSWER))])
    assert (both.accepted, both.failure, both.score) == (False, Failure.TEST_FAILURE, 0.75)
    with pytest.raises(ValueError, match="no verdict"):
        merged([])


def test_examples_that_a_rule_gets_wrong_are_named():
    wrong = Rule("r", "regex", Regex("x"), "Write an x.", accept=("x", "y"), reject=("ax", "b"))
    assert [(example.expected, example.example) for example in failed_examples(wrong)] == [
        ("accept", "y"),
        ("reject", "ax"),
    ]
