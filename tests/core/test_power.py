"""What a sample can show, against published power and what may never be otherwise."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial

from evalkit.core.power import power_of, sample_for, smallest_uplift


def test_the_power_is_the_published_one():
    """O'Brien 2002 in the manual of G*Power 3.1, section 5.4: odds ratio 0.25, 40 % discordant, 50 pairs, one-sided.

    G*Power says 0.839343; two-sided at twice the level counts the other tail, 0.00001, as well.
    """
    assert power_of(50, 0.24, discordant_share=0.40, alpha=0.10) == pytest.approx(0.839343, abs=2e-5)


@pytest.mark.parametrize(("pairs", "only_a", "only_b"), [(6, 0.0, 1.0), (12, 0.1, 0.5), (25, 0.05, 0.3)])
def test_the_power_is_how_often_the_test_rejects_over_all_outcomes(pairs, only_a, only_b):
    chance = 0.0
    for a in range(pairs + 1):
        for b in range(pairs + 1 - a):
            if a + b and binomtest(b, a + b).pvalue < 0.05:
                chance += multinomial.pmf([a, b, pairs - a - b], pairs, [only_a, only_b, 1 - only_a - only_b])
    assert power_of(pairs, only_b - only_a, discordant_share=only_a + only_b) == pytest.approx(chance)
    assert power_of(pairs, only_a - only_b, discordant_share=only_a + only_b) == pytest.approx(chance)


def test_five_pairs_show_nothing_and_six_only_what_hardly_fails():
    assert smallest_uplift(5) == inf
    assert smallest_uplift(6) == pytest.approx(0.958, abs=1e-3)
    assert sample_for(1.0) == 6


@given(st.integers(6, 300), st.sampled_from([None, 0.4, 1.0]))
@settings(max_examples=6, deadline=None)
def test_more_pairs_never_show_less_and_a_sample_shows_what_it_is_for(pairs, share):
    smallest = smallest_uplift(pairs, discordant_share=share)
    assert smallest_uplift(pairs + 1, discordant_share=share) <= smallest
    if smallest < inf:
        needed = sample_for(smallest, discordant_share=share)
        assert needed <= pairs
        assert power_of(needed, smallest, discordant_share=share) >= 0.8
        assert power_of(pairs, smallest, discordant_share=share) >= 0.8


@given(st.floats(0.05, 0.9), st.floats(0.01, 0.1))
@settings(max_examples=6, deadline=None)
def test_a_larger_uplift_never_needs_more(uplift, more):
    assert sample_for(uplift + more) <= sample_for(uplift)
    assert sample_for(-uplift) == sample_for(uplift)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: smallest_uplift(0), "pairs is 0"),
        (lambda: smallest_uplift(7.5), "pairs is 7.5"),
        (lambda: smallest_uplift(30, power=1.0), "power is 1.0"),
        (lambda: smallest_uplift(30, discordant_share=1.2), "discordant_share is 1.2"),
        (lambda: sample_for(0.0), "no sample shows"),
        (lambda: sample_for(1.5), "uplift is 1.5"),
        (lambda: sample_for(0.3, discordant_share=0.2), "above discordant_share"),
        (lambda: power_of(10, 0.2, alpha=0), "alpha is 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, said):
    with pytest.raises(ValueError, match=said):
        call()
