"""Splitting a run over workers: parts add up, no climb is in two hands, and none is lost by a death."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.shards import IN_A_ROW, MOST_DEATHS, Held, Roster, climb_of, share, useful


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_parts_of_a_limit_add_up_and_differ_by_one_at_most(whole, count):
    parts = [share(whole, number, count) for number in range(count)]
    assert sum(parts) == whole
    assert max(parts) - min(parts) <= 1


@given(st.integers(1, 64), st.integers(1, 64))
def test_no_worker_is_without_a_request(wanted, most):
    count = useful(wanted, most)
    assert 1 <= count <= wanted
    assert all(share(most, number, count) >= 1 for number in range(count))


STEPS = st.lists(
    st.tuples(st.sampled_from(["give", "end", "put off", "die"]), st.integers(0, 3), st.integers(0, 9)), max_size=60
)


@given(STEPS)
def test_whatever_dies_each_climb_is_in_one_place_and_ends_once(steps):
    roster, todo, done = Roster(), list(range(10)), []
    for what, worker, which in steps:
        hand = roster.hand(worker)
        if what == "give" and todo:
            roster.give(worker, todo.pop(which % len(todo)))
        elif what in ("end", "put off") and hand:
            climb = hand[which % len(hand)]
            assert roster.take(worker, climb, ended=what == "end")
            assert not roster.take(worker, climb, ended=True), "it is heard of once"
            (done if what == "end" else todo).append(climb)
        elif what == "die":
            death = roster.died(worker)
            assert sorted((*death.again, *death.lost)) == sorted(hand)
            todo += death.again
            done += death.lost
        held = [climb for number in range(4) for climb in roster.hand(number)]
        assert sorted([*todo, *done, *held]) == list(range(10))


def test_a_climb_whose_workers_die_again_and_again_is_not_handed_out_for_ever():
    roster = Roster()
    for times in range(1, MOST_DEATHS + 1):
        roster.give(times, "other")
        roster.take(times, "other", ended=True)
        roster.give(times, "deadly")
        death = roster.died(times)
        assert (death.lost == ("deadly",)) is (times == MOST_DEATHS)
        assert not death.hopeless, "each of them had ended a climb before"


@pytest.mark.parametrize("holder", [0, 1])
def test_a_climb_is_in_the_hands_of_one_worker_only(holder):
    roster = Roster()
    roster.give(holder, "climb")
    with pytest.raises(ValueError, match=f"in the hands of {holder} already"):
        roster.give(1 - holder, "climb")


def test_workers_that_die_before_they_end_anything_are_hopeless():
    roster = Roster()
    assert [roster.died(0).hopeless for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]


def test_a_climb_is_told_its_own_records_in_their_order_until_it_has_ended():
    held = Held(["i1/1/1/big/ab/completion", "health/0", "i10/1/1/big/ab/completion", "i1/1/1/big/ab/verdict"])
    held.add("i1/2/1/openai/gpt/ab/completion")
    assert held.of("i1", 1) == ("i1/1/1/big/ab/completion", "i1/1/1/big/ab/verdict")
    assert held.of("i1", 2) == ("i1/2/1/openai/gpt/ab/completion",)
    held.forget("i1", 1)
    assert held.of("i1", 1) == ()
    assert climb_of("i10/1/1/openai/gpt/ab/verdict/lost/0") == "i10/1"
