"""Caps: what is let in under them, whatever goes at once, and how a call is estimated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.caps import Amount, Budget, Caps, Reckoner, took
from evalkit.core.ladder import Price
from evalkit.core.types import Completion, Grading

AMOUNTS = st.builds(Amount, st.floats(0, 5), st.integers(0, 500), st.just(1))
CALLS = st.lists(st.tuples(AMOUNTS, st.floats(0, 1.5), st.integers(0, 8)), max_size=40)


def go(caps, calls):
    """Let calls in as they fit, so many in flight; each ends with a share of its reservation. What was overdrawn."""
    budget, in_flight, errors = Budget(caps, "limits"), [], Amount()
    for wanted, share, wait in calls:
        while in_flight and (len(in_flight) > wait or not budget.fits(wanted)):
            reserved, amount = in_flight.pop(0)
            budget.settle(reserved, amount)
        if budget.hit(wanted) is not None:
            continue
        assert budget.fits(wanted)  # nothing is in flight, and what is spent leaves room
        budget.reserve(wanted)
        amount = Amount(wanted.cost_usd * share, int(wanted.tokens * share), 1)
        errors += Amount(max(0, amount.cost_usd - wanted.cost_usd), max(0, amount.tokens - wanted.tokens))
        in_flight.append((wanted, amount))
    for reserved, amount in in_flight:
        budget.settle(reserved, amount)
    assert budget.held == Amount()
    return budget.spent, errors


@given(CALLS, st.floats(0, 30), st.integers(0, 2000), st.integers(0, 20))
def test_no_cap_is_broken_by_more_than_what_calls_took_beyond_their_reservations(calls, cost, tokens, most):
    spent, errors = go(Caps(cost, tokens, most), calls)
    assert spent.cost_usd <= cost + errors.cost_usd + 1e-6
    assert spent.tokens <= tokens + errors.tokens
    assert spent.calls <= most


@given(CALLS, st.integers(0, 20))
def test_calls_are_used_up_to_the_last(calls, most):
    spent, _ = go(Caps(calls=most), calls)
    assert spent.calls == min(most, len(calls))


@given(st.lists(AMOUNTS, max_size=10), AMOUNTS)
def test_what_cannot_be_made_now_and_what_can_never_be_made_are_told_apart(held, wanted):
    budget = Budget(Caps(cost_usd=10, tokens=1000), "limits")
    for one in held:
        budget.reserve(one)
    never, now = budget.hit(wanted) is not None, budget.fits(wanted)
    assert not (never and now)
    if not held:
        assert never is not now


@given(st.integers(1, 10_000), st.integers(1, 5), st.floats(0.2, 5))
def test_a_rungs_own_count_is_learnt_from_its_answers(counted, messages, ratio):
    reckoner = Reckoner(100)
    told = max(1, int((counted + 16 * messages) * ratio))
    reckoner.learn(counted, messages, told)
    assert reckoner.likely(counted, messages).tokens >= told + 100


@given(st.text(max_size=200))
def test_what_is_proven_is_no_less_than_a_token_a_byte(text):
    assert Reckoner(10).proven([text]).tokens >= len(text.encode("utf-8", "replace")) + 10


def test_an_estimate_is_priced_by_the_rung():
    found = Reckoner(1000, Price(prompt=2.0, completion=10.0)).likely(984, 1)
    assert (found.tokens, found.calls) == (1300 + 1000, 1)
    assert found.cost_usd == pytest.approx((1300 * 2 + 1000 * 10) / 1e6)


WANTED = Amount(2.0, 100, 1)


@pytest.mark.parametrize(
    ("paid", "amount"),
    [
        (Completion("x", tokens_prompt=3, tokens_completion=4, cost_usd=0.5), Amount(0.5, 7, 1)),
        (Completion("x"), Amount(2.0, 100, 1)),  # the provider told nothing: as reserved
        (Completion("x", tokens_prompt=3, tokens_completion=4, requests=3), Amount(6.0, 7, 1)),  # timed out before
        (Completion("", requests=0), Amount()),  # not asked
        (
            Grading("g", ("yes",), 1, 1, requests=2, tokens_prompt=1, tokens_completion=1, cost_usd=0.1),
            Amount(0.1, 2, 2),
        ),
    ],
)
def test_what_a_call_took(paid, amount):
    assert took(paid, WANTED) == amount


@pytest.mark.parametrize(
    ("caps", "spent", "words", "raised"),
    [
        (Caps(cost_usd=2.5), Amount(1.4), "cost_usd=2.5 leaves no room for the next call, which may take $2; $1.4", 5),
        (
            Caps(tokens=9),
            Amount(),
            "tokens=9 leaves no room for the next call, which may take 100 tokens; 0 tokens",
            200,
        ),
        (Caps(calls=1), Amount(calls=1), "calls=1 is reached; 1 call", 2),
        (Caps(seconds=60), Amount(seconds=61.25), "seconds=60 is reached; 61.2 s", 123),
    ],
)  # fmt: skip
def test_a_hit_says_what_was_hit_and_what_raises_it(caps, spent, words, raised):
    assert (
        str(Budget(caps, "limits", spent).hit(WANTED))
        == f"limits.{words} spent so far. limits.{words.partition('=')[0]}={raised} raises it"
    )


@pytest.mark.parametrize("name", ["cost_usd", "tokens", "calls", "seconds"])
def test_a_cap_below_nothing_is_refused(name):
    with pytest.raises(ValueError, match="at least 0, or null"):
        Caps(**{name: -1})
