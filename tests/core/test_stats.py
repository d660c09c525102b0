"""Rates with intervals and paired differences, against published figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial

from evalkit.core.stats import Z, difference, paired, solved_rate, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (score, no continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 2000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_is_scipys(counts):
    successes, trials = counts
    theirs = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    ours = wilson(successes, trials)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_a_rate_without_trials_is_unknown():
    assert wilson(0, 0) is None


def runs(both, only_a, only_b, neither):
    outcomes = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither
    return ({f"i{n}": one[side] for n, one in enumerate(outcomes)} for side in (0, 1))


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value", "conclusion"),
    [
        (0, 5, 0.0625, "cannot_show"),
        (0, 6, 0.03125, "better"),
        (6, 0, 0.03125, "worse"),
        (3, 7, 0.34375, "no_difference_shown"),
        (0, 0, 1.0, "cannot_show"),
    ],
)
def test_the_exact_test_looks_at_discordant_pairs_only(only_a, only_b, p_value, conclusion):
    found = paired(*runs(4, only_a, only_b, 5))
    assert (found.both, found.neither, len(found.only_a), len(found.only_b)) == (4, 5, only_a, only_b)
    assert found.p_value == pytest.approx(p_value)
    assert found.conclusion == conclusion


def test_only_instances_that_both_judged_are_paired():
    assert paired({"x": True, "y": True}, {"y": False, "z": True}).instances == 1
    with pytest.raises(ValueError, match="nothing to pair"):
        paired({"x": True}, {"y": True})


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(lambda counts: sum(counts) > 0))
def test_turning_the_runs_round_turns_the_sign(counts):
    a, b = runs(*counts)
    one, other = paired(a, b), paired(b, a)
    assert one.uplift.value == pytest.approx(-other.uplift.value)
    assert one.uplift.low == pytest.approx(-other.uplift.high)
    assert one.p_value == pytest.approx(other.p_value)
    assert -1 <= one.uplift.low <= one.uplift.value <= one.uplift.high <= 1


@pytest.mark.parametrize(
    ("instances", "only_a", "only_b", "low", "high"),
    [
        (20, 0, 0, -(Z**2) / (20 + Z**2), Z**2 / (20 + Z**2)),  # closed forms of the score test's equation
        (5, 0, 5, (1 - Z**2 / 5) / (1 + Z**2 / 5), 1.0),
    ],
)
def test_the_interval_of_a_difference_is_where_the_score_test_begins_to_reject(instances, only_a, only_b, low, high):
    found = difference(only_a, only_b, instances)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    ("instances", "only_a", "only_b"),
    [(8, 0, 0.3), (20, 0.1, 0.1), (30, 0, 0.1), (30, 0, 0.2), (30, 0.02, 0.2), (40, 0.05, 0.25)],
)
def test_the_interval_of_a_difference_covers_it_93_times_in_a_hundred_or_more(instances, only_a, only_b):
    """Exactly, over all outcomes; one that holds the number of discordant pairs fixed covers 51 to 80 %."""
    covered = 0.0
    for a in range(instances + 1):
        for b in range(instances + 1 - a):
            chance = multinomial.pmf([a, b, instances - a - b], instances, [only_a, only_b, 1 - only_a - only_b])
            if chance > 1e-7:
                found = difference(a, b, instances)
                covered += chance * (found.low - 1e-9 <= only_b - only_a <= found.high + 1e-9)
    assert covered >= 0.93


def test_repeats_of_an_instance_count_once_by_their_share():
    climbs = [(f"i{n}", n < 4) for n in range(6)]
    assert solved_rate(climbs * 12) == wilson(4, 6)
    assert solved_rate([("a", True), ("a", False), ("b", True)]) == wilson(1.5, 2)
    assert solved_rate([]) is None
