"""Several runs: Holm's correction, comparisons with a baseline, and a ranking."""

import numpy as np
import pytest

from evalkit.core.stats import against, holm, ranked, wilson


def test_holm_adjusts_in_order_and_never_below_the_one_before():
    """By hand from the definition: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 raised to the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)


def runs(**rates):
    random = np.random.default_rng(11)
    level = random.random(150)
    return {name: {f"i{n}": [bool(one < rate)] for n, one in enumerate(level)} for name, rate in rates.items()}


def test_each_run_is_set_against_the_baseline():
    found = against("base", runs(base=0.5, better=0.7, same=0.5, worse=0.3))
    assert [(one.name, one.conclusion) for one in found] == [
        ("better", "better"), ("same", "cannot_show"), ("worse", "worse"),
    ]  # fmt: skip
    assert all(one.p_adjusted >= one.compared.p_value for one in found)
    with pytest.raises(ValueError, match="baseline is 'other'; it must be one of 'base'"):
        against("other", runs(base=0.5))


def test_a_difference_that_holds_alone_may_not_hold_among_many():
    base = {f"i{n}": [n < 20] for n in range(40)}
    close = {f"i{n}": [n < 26] for n in range(40)}  # 6 to 0: p = 0.031
    assert against("base", {"base": base, "close": close})[0].conclusion == "better"
    among = against("base", {"base": base, "close": close, "again": close, "alike": base})
    assert [one.conclusion for one in among] == ["no_difference_shown", "no_difference_shown", "cannot_show"]


def test_the_ranking_says_what_is_level_with_what():
    found = ranked(runs(low=0.3, high=0.62, also=0.6, twin=0.3))
    assert [(one.place, one.name, one.level_with) for one in found] == [
        (1, "high", ("also",)), (2, "also", ("high",)), (3, "low", ("twin",)), (3, "twin", ("low",)),
    ]  # fmt: skip
    assert found[1].p_next < 0.05 < found[0].p_next
    assert found[-1].p_next is None


def test_a_rate_has_the_interval_that_its_run_tells_of_it():
    runs = {"a": {f"i{n}": [n < 2] for n in range(6)}, "b": {f"i{n}": [False] for n in range(6)}}
    assert [place.rate for place in ranked(runs)] == [wilson(2, 6), wilson(0, 6)]
