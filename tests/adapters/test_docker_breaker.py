"""The circuit breaker: times come in as arguments, so every case is told without waiting."""

import pytest

from evalkit.adapters.docker_sandbox.breaker import Breaker


def after(*events, trips=3, pause_s=10.0):
    """A breaker to which these happened: ("failed" or "worked", at)."""
    one = Breaker(trips, pause_s)
    for what, at in events:
        one.failed(at, "silence") if what == "failed" else one.worked()
    return one


THREE = [("failed", 1.0), ("failed", 2.0), ("failed", 3.0)]
CASES = {
    "at first": ([], 0.0, "yes"),
    "after a failure or two": (THREE[:2], 2.0, "yes"),
    "after three in a row": (THREE, 3.0, "no"),
    "after three with an answer between": ([*THREE[:2], ("worked", 2.5), THREE[2]], 3.0, "yes"),
    "until the pause is over": (THREE, 12.9, "no"),
    "then one finds out": (THREE, 13.0, "probe"),
    "after an answer": ([*THREE, ("worked", 14.0)], 14.0, "yes"),
    "after a probe that failed": ([*THREE, ("failed", 14.0)], 23.9, "no"),
    "and again after its pause": ([*THREE, ("failed", 14.0)], 24.0, "probe"),
}


@pytest.mark.parametrize("name", CASES)
def test_who_may_ask(name):
    events, now, wanted = CASES[name]
    assert after(*events).admits(now) == wanted


def test_while_one_finds_out_the_others_still_fail_quickly():
    one = after(*THREE)
    assert [one.admits(13.0), one.admits(13.0), one.admits(14.0)] == ["probe", "no", "no"]


def test_the_last_failure_is_kept_for_the_message():
    assert after(*THREE).why == "silence"
