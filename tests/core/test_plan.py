"""What a plan foretells of calls, tokens and money."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.ladder import Ladder, Price, Rung
from evalkit.core.plan import Past, Sizes, Work, forecast, most_calls, total
from evalkit.core.results import AttemptRow

SIZES = Sizes((100, 300), retold=50)


def row(number=1, *, accepted=False, failure="test_failure", tokens=(100, 10), seconds=2.0):
    return AttemptRow(
        "i", 1, number, "small", number, "m", accepted, skipped=False, failure=None if accepted else failure,
        cost_usd=None, tokens_prompt=tokens[0], tokens_completion=tokens[1], seconds_model=seconds,
        seconds_verifier=0.0, prompt_digest="p",
    )  # fmt: skip


def plan(ladder, *, climbs=10, cap=10, told=True, past=None, prices=None, concurrency=2, surely=1):
    past = {name: Past() for name in ladder.rungs} | (past or {})
    prices = {name: Price(1, 2) for name in ladder.rungs} | (prices or {})
    work = Work(ladder, cap, climbs, SIZES, told=told, prices=prices, concurrency=concurrency, surely=surely)
    return forecast(work, past, seed=1)


def rungs(**more):
    return Ladder({name: Rung(f"x/{name}", **settings) for name, settings in more.items()})


@pytest.mark.parametrize(
    ("ladder", "cap", "told", "most"),
    [
        (rungs(a={"attempts": 3}, b={"attempts": 2}), 10, True, 5),
        (rungs(a={"attempts": 3}, b={"attempts": 2}), 4, True, 4),
        (rungs(a={"attempts": 3}, b={"attempts": 2}), 10, False, 2),  # at temperature 0 nothing is asked twice
        (rungs(a={"attempts": 3, "temperature": 0.7}, b={"attempts": 2}), 10, False, 4),
    ],
)
def test_the_most_calls_of_a_climb(ladder, cap, told, most):
    assert most_calls(ladder, cap, told=told) == most


def test_the_worst_is_the_dearest_attempts_that_the_cap_leaves_at_full_length():
    ladder = rungs(a={"attempts": 2, "max_tokens": 10}, b={"max_tokens": 100})
    found = plan(ladder, cap=2, prices={"b": Price(0, 50)})
    assert (found.calls.least, found.calls.expected, found.calls.most) == (10, None, 20)
    assert found.tokens_completion.most == 10 * 110
    assert found.tokens_prompt.most == 10 * 2 * 250  # the prompts' mean, and what may be told
    assert found.cost_usd.worst == pytest.approx(10 * (100 * 50 + 250 * 1 + 10 * 2) / 1e6)
    assert found.cost_usd.p50 is None


def test_an_unknown_price_makes_the_cost_unknown_and_nothing_else():
    found = plan(rungs(a={}), prices={"a": None}, past={"a": Past((row(),))})
    assert found.cost_usd == type(found.cost_usd)(None, None, None)
    assert found.calls.expected == 10


def test_what_costs_nothing_costs_nothing_also_where_nothing_is_known():
    found = plan(rungs(a={}), prices={"a": Price()})
    assert found.cost_usd == type(found.cost_usd)(0.0, 0.0, 0.0)
    assert found.calls.expected is None


def test_the_longest_time_counts_on_no_more_climbs_at_once_than_are_sure():
    past = {"a": Past((row(),))}
    found = plan(rungs(a={"timeout_s": 30}), past=past, concurrency=5, surely=2)
    assert (found.seconds.expected, found.seconds.most) == (10 * 2.0 / 5, 10 / 2 * 30)


def test_what_always_solves_is_asked_once_and_what_never_does_to_the_end():
    ladder = rungs(small={"attempts": 2}, big={})
    solves = plan(ladder, past={"small": Past((row(accepted=True),) * 5, alike=True), "big": Past((row(),))})
    assert (solves.calls.expected, solves.tokens_prompt.expected, solves.solved_rate.value) == (10, 1000, 1)
    assert solves.seconds.expected == 10 * 2.0 / 2  # two at once
    never = plan(ladder, past={"small": Past((row(),) * 5), "big": Past((row(),) * 5)})
    assert (never.calls.expected, never.calls.p95, never.solved_rate.value) == (30, 30, 0)


def test_how_long_a_rung_takes_that_was_never_asked_is_unknown_and_not_nothing():
    found = plan(rungs(small={}, big={}), past={"small": Past((row(),))})
    assert found.calls.expected == 20
    assert (found.seconds.expected, found.seconds.p95) == (None, None)
    assert found.seconds.most > 0


def test_a_policy_that_escalates_or_stops_makes_fewer_calls():
    past = {"small": Past((row(failure="no_answer"),)), "big": Past((row(),))}
    told = {word: plan(Ladder(rungs(small={"attempts": 3}, big={}).rungs, on={"no_answer": word}), past=past)
            for word in ("retry", "escalate", "stop")}  # fmt: skip
    assert [told[word].calls.expected for word in ("retry", "escalate", "stop")] == [40, 20, 10]


def test_few_earlier_attempts_make_a_wide_range():
    ladder = rungs(small={}, big={})
    few, many = (
        plan(ladder, climbs=200, past={"small": Past((row(accepted=True), row()) * times), "big": Past((row(),))})
        for times in (2, 200)
    )
    assert few.calls.p95 > many.calls.p95
    assert few.solved_rate.low < many.solved_rate.low < many.solved_rate.high < few.solved_rate.high


@settings(max_examples=20, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 12))
def test_what_is_expected_lies_between_least_and_most(outcomes, attempts, cap):
    ladder = rungs(small={"attempts": attempts, "temperature": 1.0}, big={"attempts": 2})
    rows = tuple(row(1 + n % 2, accepted=one) for n, one in enumerate(outcomes))
    found = plan(ladder, cap=cap, past={"small": Past(rows, alike=True), "big": Past(rows, alike=True)})
    assert found.calls.least <= found.calls.expected <= found.calls.p95 <= found.calls.most
    assert found.cost_usd.p50 <= found.cost_usd.p95 <= found.cost_usd.worst


def test_what_is_made_already_takes_nothing_more():
    found = plan(rungs(small={}), climbs=0, past={"small": Past((row(),))})
    assert (found.calls.expected, found.calls.most, found.cost_usd.worst, found.solved_rate) == (0, 0, 0, None)


def test_a_sweep_adds_up_and_one_unknown_makes_the_sum_unknown():
    known = plan(rungs(small={}), past={"small": Past((row(),))})
    assert total([known, known]).calls.most == 2 * known.calls.most
    assert total([known, plan(rungs(small={}))]).calls.expected is None
