"""A provider's circuit breaker: when it opens, who probes, and what closes it."""

from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.breaker import LONGEST_S, Breaker, Heard


def opened(at=0.0):
    breaker = Breaker(3, 2.0)
    assert [breaker.failed(at, probe=False) for _ in range(3)] == [Heard.COUNTED, Heard.COUNTED, Heard.OPENED]
    return breaker


def test_outages_in_a_row_open_it_and_an_answer_between_does_not():
    breaker = Breaker(2, 1.0)
    for _ in range(5):
        breaker.failed(0, probe=False)
        breaker.worked()
    assert (breaker.is_open, breaker.ready_at(0)) == (False, None)
    assert opened().ready_at(0.5) == 2.0


def test_one_call_probes_and_the_others_wait():
    breaker = opened()
    assert breaker.ready_at(2.0) is None  # the probe
    assert breaker.ready_at(2.1) == 4.1  # come again
    breaker.worked()
    assert breaker.ready_at(2.2) is None


def test_a_failed_probe_doubles_the_wait_and_those_asked_before_change_nothing():
    breaker = opened()
    assert breaker.failed(1.0, probe=False) is Heard.LATE
    assert breaker.ready_at(2.0) is None
    assert breaker.failed(2.0, probe=True) is Heard.PROBE
    assert breaker.ready_at(2.5) == 6.0


def test_a_probe_that_found_nothing_out_makes_room_for_the_next():
    breaker = opened()
    assert breaker.ready_at(2.0) is None
    breaker.withdrawn()
    assert breaker.ready_at(2.0) is None


@given(st.lists(st.sampled_from(["ask", "fail", "late", "work", "withdraw", "wait"]), max_size=60), st.integers(0, 5))
def test_at_most_one_probes_an_open_one_and_no_wait_is_longer_than_a_minute(steps, outages):
    breaker, now, probing = Breaker(outages, 1.0), 0.0, False
    for step in steps:
        if step == "ask":
            was_open = breaker.is_open
            ready_at = breaker.ready_at(now)
            assert ready_at is None or now <= ready_at <= now + LONGEST_S
            assert not (was_open and probing and ready_at is None)
            probing = probing or (was_open and ready_at is None)
        elif step == "fail" and probing:
            breaker.failed(now, probe=True)
            probing = False
        elif step == "late":
            breaker.failed(now, probe=False)
        elif step == "work":
            breaker.worked()
            probing = False
        elif step == "withdraw" and probing:
            breaker.withdrawn()
            probing = False
        elif step == "wait":
            now += 0.7
    assert outages or not breaker.is_open
