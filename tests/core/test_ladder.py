"""Where the next attempt goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung, Stop, Try, next_step
from evalkit.core.types import Message, Prompt
from tests.core.builders import attempt, ladder


def fresh(step):
    """A strategy whose prompts never repeat."""
    return Prompt((Message("user", f"step {step.number}"),))


def same(_step):
    """A strategy that always asks the same, as `feedback: none` does."""
    return Prompt((Message("user", "prompt 1"),))


def where(step):
    return (step.rung, step.number, step.on_rung) if isinstance(step, Try) else step.reason


THREE = ladder(small=2, middle=1, big=3)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], ("small", 1, 1)),
        ([attempt(1, "small")], ("small", 2, 2)),
        ([attempt(1, "small"), attempt(2, "small", 2)], ("middle", 3, 1)),
        ([attempt(1, "small"), attempt(2, "small", 2), attempt(3, "middle")], ("big", 4, 1)),
        ([attempt(1, "small", failure=None)], "accepted"),
        ([attempt(1, "small", failure=Failure.CONTEXT_WINDOW)], ("middle", 2, 1)),
        ([attempt(1, "small", failure=Failure.REFUSED)], ("middle", 2, 1)),
        ([attempt(1, "small", failure=Failure.MODEL_UNAVAILABLE)], ("middle", 2, 1)),
        ([attempt(1, "big", 3)], ("big", 2, 2)),
    ],
)
def test_a_failure_leads_to_the_next_attempt_or_the_next_rung(history, expected):
    assert where(next_step(THREE, 10, history, fresh)) == expected


def test_the_climb_ends_when_the_last_rung_has_used_its_attempts():
    history = [attempt(1, "big"), attempt(2, "big", 2), attempt(3, "big", 3)]
    assert next_step(THREE, 10, history, fresh) == Stop("ladder_exhausted")


def test_max_attempts_caps_the_climb_and_does_not_count_rungs_that_were_skipped():
    skipped = attempt(1, "small", failure=Failure.MODEL_UNAVAILABLE)
    made = [skipped, attempt(2, "middle")]
    assert where(next_step(THREE, 2, made, fresh)) == ("big", 3, 1)
    assert next_step(THREE, 2, [*made, attempt(3, "big")], fresh) == Stop("max_attempts")


def test_a_climb_on_which_no_model_could_be_asked_says_so():
    only = ladder(kimi=2)
    assert next_step(only, 5, [attempt(1, "kimi", failure=Failure.MODEL_UNAVAILABLE)], fresh) == Stop("no_model")


def test_invariant_6_the_same_prompt_to_the_same_model_at_temperature_0_is_not_asked_again():
    assert where(next_step(THREE, 10, [attempt(1, "small")], same)) == ("middle", 2, 1)
    alone = Ladder({"small": Rung("scripted/x", attempts=3)})
    assert next_step(alone, 10, [attempt(1, "small")], same) == Stop("ladder_exhausted")


def test_invariant_6_holds_for_the_same_model_on_another_rung():
    twice = Ladder({"one": Rung("scripted/x"), "two": Rung("scripted/x"), "other": Rung("scripted/y")})
    assert where(next_step(twice, 10, [attempt(1, "one")], same)) == ("other", 2, 1)


def test_above_temperature_0_the_same_prompt_may_be_asked_again():
    warm = Ladder({"small": Rung("scripted/x", attempts=3, temperature=0.7)})
    assert where(next_step(warm, 10, [attempt(1, "small")], same)) == ("small", 2, 2)


@pytest.mark.parametrize(
    ("ladder_on", "rung_on", "expected"),
    [
        ({"empty_response": "escalate"}, {}, ("big", 2, 1)),
        ({"empty_response": "escalate"}, {"empty_response": "retry"}, ("small", 2, 2)),
        ({}, {"empty_response": "stop"}, "policy"),
        ({}, {"empty_response": "skip"}, ("big", 2, 1)),
    ],
)
def test_the_policy_by_failure_class_is_settings_and_a_rungs_own_goes_before_the_ladders(ladder_on, rung_on, expected):
    rungs = {"small": Rung("scripted/x", attempts=3, on=rung_on), "big": Rung("scripted/y")}
    history = [attempt(1, "small", failure=Failure.EMPTY_RESPONSE)]
    assert where(next_step(Ladder(rungs, on=ladder_on), 10, history, fresh)) == expected


def test_a_climb_goes_on_past_a_rung_that_was_given_up_whatever_its_policy_says():
    rungs = {"small": Rung("scripted/x", attempts=3, on={"model_unavailable": "stop"}), "big": Rung("scripted/y")}
    history = [attempt(1, "small", failure=Failure.RUNG_SKIPPED)]
    assert where(next_step(Ladder(rungs), 10, history, fresh)) == ("big", 2, 1)
    assert where(next_step(Ladder(rungs), 1, history, fresh)) == ("big", 2, 1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"attempts": 0}, "attempts is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"on": {"empty_respons": "retry"}}, "did you mean 'empty_response'"),
        ({"on": {"empty_response": "escalat"}}, "did you mean 'escalate'"),
        ({"on": {"rate_limit": "escalate"}}, "it has no policy"),
        ({"on": {"rung_skipped": "retry"}}, "it has no policy of its own"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_nearest_word(settings, says):
    with pytest.raises(ValueError, match=says):
        Rung("scripted/x", **settings)


FAILURES = st.sampled_from([None, *(failure for failure in Failure if not failure.is_outage)])


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.integers(1, 12),
    st.lists(FAILURES, min_size=20, max_size=20),
)
def test_every_climb_ends_never_goes_down_and_keeps_to_its_caps(attempts, cap, failures):
    steps = {f"r{place}": Rung("scripted/x", attempts=count) for place, count in enumerate(attempts)}
    climbing = Ladder(steps)
    history = []
    while isinstance(step := next_step(climbing, cap, history, fresh), Try):
        history.append(attempt(step.number, step.rung, step.on_rung, failure=failures[len(history)]))
    order = [list(steps).index(one.rung) for one in history]
    assert order == sorted(order)
    assert sum(not one.skipped for one in history) <= cap
    assert all(one.on_rung <= steps[one.rung].attempts for one in history)
    assert [one.number for one in history] == list(range(1, len(history) + 1))
    assert all(not one.verdict.accepted for one in history[:-1])
    assert step == next_step(climbing, cap, list(history), fresh)
