"""The level that AIMD finds, and what a provider's words allow."""

import random
from heapq import heappop, heappush
from itertools import count
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.concurrency import Aimd, Allowance, Bounds, Told, pace

Event = tuple[float, int, float, bool]


def climb(level: Aimd, answers: int, *, capacity: float = inf, refuses_over: float = inf, spread: float = 0.0) -> float:
    """The mean limit over the later half, at a provider that slows down past `capacity` or refuses past a number."""
    draw, now, under_way, order = random.Random(1), 0.0, 0, count()
    ends: list[Event] = []
    seen: list[int] = []
    while len(seen) < answers:
        while under_way < level.limit:
            under_way += 1
            level.started(under_way)
            took = draw.lognormvariate(0, spread) * max(1.0, under_way / capacity)
            refused = under_way > refuses_over
            heappush(ends, (now + (0.05 if refused else took), next(order), now, refused))
        now, _, began, refused = heappop(ends)
        under_way -= 1
        if refused:
            level.refused(now, began)
        else:
            level.answered(now, began, "m", pace(now - began, None))
        seen.append(level.limit)
    return sum(seen[answers // 2 :]) / (answers - answers // 2)


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.6])
def test_a_provider_that_takes_everything_gets_the_most(spread):
    assert climb(Aimd(Bounds()), 6_000, spread=spread) > 70


@pytest.mark.parametrize("capacity", [4, 20, 60])
def test_rising_latency_holds_the_level_about_what_the_provider_has_room_for(capacity):
    found = climb(Aimd(Bounds(start=2)), 3_000, capacity=capacity, spread=0.2)
    assert capacity * 0.8 < found < capacity * 2.2  # past its room nothing is gained, below it something lost


@pytest.mark.parametrize("refuses_over", [3, 10, 40])
def test_refusals_hold_the_level_below_the_providers_own(refuses_over):
    assert refuses_over * 0.5 <= climb(Aimd(Bounds()), 3_000, refuses_over=refuses_over) <= refuses_over + 1


def test_a_limit_that_is_not_used_does_not_grow():
    level = Aimd(Bounds(start=8))
    for number in range(1000):
        level.started(3)
        level.answered(number, number, "m", 1.0)
    assert level.limit == 8


def test_refusals_of_one_round_cut_once():
    level = Aimd(Bounds(start=64))
    for _ in range(64):
        level.refused(now=2.0, began=1.0)
    assert (level.limit, level.cuts) == (32, 1)
    level.refused(now=3.0, began=2.5)
    assert (level.limit, level.cuts) == (16, 2)


def test_a_long_answer_is_no_slow_provider():
    level = Aimd(Bounds(start=8))
    for tokens, times in ((10, 400), (1000, 400)):
        for number in range(times):
            level.started(level.limit)
            level.answered(number, number, "m", pace(0.5 + tokens / 60, tokens))
    assert level.cuts == 0


STEPS = st.lists(st.tuples(st.sampled_from("saor"), st.floats(0, 5), st.floats(0.001, 10)), max_size=300)


@given(STEPS, st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_level_stays_within_its_bounds_whatever_comes(steps, least, start, most):
    level = Aimd(Bounds(least + start, least, least + start + most))
    now = 0.0
    for what, later, took in steps:
        before, now = level.limit, now + later
        if what == "r":
            level.refused(now, now - took)
            assert level.limit <= before
        elif what == "s":
            level.started(level.limit)
        else:
            level.answered(now, now - took, what, took)
        assert least <= level.limit <= least + start + most


def test_bounds_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="rise"):
        Bounds(start=5, least=6)


def test_a_wait_that_the_provider_asks_for_holds_everything():
    allowance = Allowance(longest_s=300)
    assert allowance.opens_at(1.0) == 1.0
    allowance.pause(1.0, 20)
    allowance.pause(2.0, 5)  # a shorter one takes nothing back
    assert allowance.opens_at(3.0) == 21.0
    allowance.pause(3.0, 3600)  # the quota's affair: see QuotaError
    assert allowance.opens_at(22.0) == 22.0


@pytest.mark.parametrize(
    ("told", "free"),
    [
        (Told(requests=2, requests_reset_s=6), 2),
        (Told(requests=0, requests_reset_s=6), 0),
        (Told(requests=50, requests_reset_s=1, tokens=3500, tokens_reset_s=6), 3),  # at 1000 tokens a request
        (Told(requests=2), 9),  # without a reset nothing is known
        (Told(requests=0, requests_reset_s=7200), 9),  # too long to wait for without a word
        (Told(), 9),
    ],
)
def test_as_many_begin_as_the_headers_leave_until_they_say_that_it_is_full_again(told, free):
    allowance = Allowance(longest_s=300)
    allowance.used(1000)
    allowance.told(10.0, told)
    begun = 0
    while begun < 9 and allowance.opens_at(10.0) == 10.0:
        allowance.began()
        begun += 1
    assert begun == free
    assert allowance.opens_at(16.0) == 16.0


def test_a_round_that_is_slow_for_our_own_sake_neither_cuts_nor_grows():
    level = Aimd(Bounds(start=8))
    for took, theirs, expected in ((1.0, 1.0, 16), (4.0, 1.0, 16), (4.0, 4.0, 8)):
        for number in range(level.limit):
            level.started(level.limit)
            level.answered(number, number, "m", took, theirs)
        assert level.limit == expected
