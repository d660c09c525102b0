"""What the next attempt is told of the earlier ones."""

from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.failure import Failure
from evalkit.core.feedback import Feedback, shows_hidden_tests, tell
from tests.core.builders import attempt, finding


def words(text):
    return len(text.split())


OLD = attempt(1, "small", findings=[finding("no loops"), finding("be short")])
NEW = attempt(2, "small", 2, findings=[finding("optional style", required=False), finding("be short")])


def test_none_tells_nothing():
    assert tell(Feedback("none"), [OLD, NEW], words).lines == ()


def test_last_tells_the_newest_findings_with_required_ones_first():
    assert tell(Feedback("last"), [OLD, NEW], words).lines == ("be short", "optional style")


def test_violations_tells_all_findings_newest_first_and_each_once():
    assert tell(Feedback("violations"), [OLD, NEW], words).lines == ("be short", "optional style", "no loops")


def test_the_budget_drops_the_oldest_and_says_what_it_dropped():
    told = tell(Feedback("violations", tokens=4), [OLD, NEW], words)
    assert (told.lines, told.dropped) == (("be short", "optional style"), ("no loops",))


def test_after_an_empty_response_the_feedback_is_shortened():
    empty = attempt(2, "small", 2, failure=Failure.EMPTY_RESPONSE, findings=[finding("your answer was empty")])
    told = tell(Feedback("violations", tokens=100, tokens_after_empty=4), [OLD, empty], words)
    assert told.lines == ("your answer was empty",)


def test_a_skipped_rung_is_not_an_earlier_answer():
    skipped = attempt(3, "kimi", failure=Failure.MODEL_UNAVAILABLE, findings=[finding("not in the subscription")])
    assert tell(Feedback("last"), [OLD, skipped], words).lines == ("no loops", "be short")


def test_outcomes_of_hidden_tests_can_be_kept_back():
    failed = attempt(1, "small", findings=[finding("f(1) gave 2", source="test"), finding("no loops")])
    assert tell(Feedback("last", tests="none"), [failed], words).lines == ("no loops",)
    assert tell(Feedback("last"), [failed], words).lines == ("f(1) gave 2", "no loops")


def test_invariant_9_feedback_that_shows_hidden_tests_is_known():
    assert shows_hidden_tests(Feedback("last"), tested=True)
    assert not shows_hidden_tests(Feedback("last", tests="none"), tested=True)
    assert not shows_hidden_tests(Feedback("none"), tested=True)
    assert not shows_hidden_tests(Feedback("last"), tested=False)


@given(st.lists(st.text("abc ", min_size=1, max_size=30), max_size=8), st.integers(0, 20))
def test_what_is_told_fits_the_budget_or_is_a_single_line(messages, tokens):
    told = tell(Feedback("last", tokens=tokens), [attempt(1, "a", findings=map(finding, messages))], words)
    assert sum(map(words, told.lines)) <= tokens or len(told.lines) <= 1
    assert set(told.lines) | set(told.dropped) == set(messages)
