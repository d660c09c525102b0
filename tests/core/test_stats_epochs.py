"""Two runs with epochs and clusters, pass@k and bootstraps, against published figures and statsmodels."""

from itertools import product
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.api import OLS
from statsmodels.stats.contingency_tables import mcnemar

from evalkit.core.stats import (
    compared,
    cost_per_solved,
    cost_per_solved_ratio,
    costs_per_solved,
    difference,
    mean_difference,
    paired,
    pass_at_k,
    pass_hat_k,
)
from evalkit.core.stats.epochs import sign_flip
from evalkit.core.stats.pairs import exact_mcnemar
from evalkit.core.stats.shares import mean_of_differences, standard_error

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize(
    ("only_a", "only_b", "instances", "low", "high"),
    [
        # Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850, table V: Tango's interval.
        (7, 1, 21, -0.517, -0.026),
        # Agresti 2013, Categorical Data Analysis, 3rd ed., section 11.1.1 (Wald, so large that they agree to 2 digits).
        (150, 86, 1600, -0.06, -0.02),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(only_a, only_b, instances, low, high):
    found = difference(only_a, only_b, instances)
    digits = 3 if instances < 100 else 2
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value"),
    [(7, 1, 0.0703), (150, 86, 3.7e-5), (132, 107, 0.1204)],  # Fagerland's; Agresti's approval and taxes tables
)
def test_the_exact_test_is_the_published_one_and_statsmodels(only_a, only_b, p_value):
    found = exact_mcnemar(only_a, only_b)
    assert found == pytest.approx(p_value, rel=0.01)
    assert found == pytest.approx(mcnemar([[9, only_a], [only_b, 9]], exact=True).pvalue)


def test_random_signs_give_fishers_result_on_darwins_plants():
    """Fisher 1935, The Design of Experiments, section 21: 1,726 of the 32,768 signs are as extreme."""
    plants = np.array(DARWIN, float)
    assert sign_flip(plants) == pytest.approx(1726 / 32768, abs=0.006)  # of 15, signs are drawn
    all_signs = np.array(list(product((-1, 1), repeat=12))) @ np.abs(plants[:12])
    assert sign_flip(plants[:12]) == pytest.approx(float(np.mean(np.abs(all_signs) >= abs(plants[:12].sum()))))


@pytest.mark.parametrize(("lost", "won"), [(0, 5), (3, 9), (20, 35), (400, 480)])
def test_of_whole_differences_random_signs_make_mcnemars_test(lost, won):
    found = sign_flip(np.r_[-np.ones(lost), np.ones(won), np.zeros(7)])
    assert found == pytest.approx(binomtest(won, lost + won).pvalue, abs=0.008)


def runs(*shares, epochs=4):
    """Instances of which A and B solve so many of their epochs."""
    of = {f"i{n}": one for n, one in enumerate(shares)}
    return ({name: [k < one[side] for k in range(epochs)] for name, one in of.items()} for side in (0, 1))


def test_one_epoch_without_clusters_is_the_paired_comparison():
    a, b = runs(*[(1, 1)] * 3, *[(1, 0)] * 2, *[(0, 1)] * 9, *[(0, 0)] * 6, epochs=1)
    one, other = compared(a, b), paired({k: v[0] for k, v in a.items()}, {k: v[0] for k, v in b.items()})
    assert (one.uplift, one.p_value, one.conclusion) == (other.uplift, other.p_value, other.conclusion)
    assert (one.both, one.lost, one.gained, one.neither, one.test) == (
        3, other.only_a, other.only_b, 6, "exact McNemar",
    )  # fmt: skip


def test_epochs_count_by_the_share_they_solve():
    a, b = runs((4, 4), (0, 0), (2, 2), (1, 3), (3, 0))
    found = compared(a, b)
    assert found.uplift.value == pytest.approx((0.5 - 0.75) / 5)
    assert (found.both, found.neither, found.mixed, found.gained, found.lost) == (1, 1, 1, ("i3",), ("i4",))
    assert (found.epochs, found.test, found.conclusion) == (4, "sign-flip", "cannot_show")


def test_more_epochs_of_the_same_instances_bring_the_bounds_closer():
    widths = []
    for epochs in (1, 4, 16):
        random = np.random.default_rng(3)
        a, b = ({f"i{n}": list(random.random(epochs) < 0.5) for n in range(60)} for _ in range(2))
        found = compared(a, b).uplift
        widths.append(found.high - found.low)
    assert widths[0] > 1.7 * widths[1] > 2.5 * widths[2]


def test_runs_without_a_shared_judged_instance_are_refused():
    with pytest.raises(ValueError, match="nothing to pair"):
        compared({"x": [True], "y": []}, {"y": [True]})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None)
def test_turning_the_runs_round_turns_the_sign(shares):
    a, b = runs(*shares)
    one, other = compared(a, b), compared(b, a)
    assert one.uplift.value == pytest.approx(-other.uplift.value)
    assert (one.uplift.low, one.uplift.high) == (pytest.approx(-other.uplift.high), pytest.approx(-other.uplift.low))
    assert one.p_value == pytest.approx(other.p_value)
    assert -1 <= one.uplift.low <= one.uplift.value <= one.uplift.high <= 1


def test_clusters_of_one_size_have_the_error_that_statsmodels_clusters():
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(20), 8)
    values = random.normal(size=20)[labels] + random.normal(size=160)
    fit = OLS(values, np.ones(160)).fit(cov_type="cluster", cov_kwds={"groups": labels}, use_t=True)
    error, freedom = standard_error(values, labels)
    assert (error, freedom) == (pytest.approx(float(fit.bse[0])), pytest.approx(19))
    assert error > 1.5 * standard_error(values)[0]


def test_clusters_that_differ_widen_the_bounds_and_raise_p():
    a, b = runs(*[(0, 1)] * 40, *[(1, 0)] * 16, epochs=1)
    clusters = {name: f"repo{int(name[1:]) // 7}" for name in a}
    plain, by = compared(a, b), compared(a, b, clusters)
    assert (plain.conclusion, by.conclusion, by.clusters) == ("better", "no_difference_shown", 8)
    assert by.uplift.high - by.uplift.low > 1.5 * (plain.uplift.high - plain.uplift.low)
    assert by.p_by_instance == plain.p_value < by.p_value
    assert by.sample > plain.sample


def test_too_few_clusters_are_said_and_left_aside():
    a, b = runs(*[(0, 1)] * 10, epochs=1)
    found = compared(a, b, {name: f"repo{int(name[1:]) % 3}" for name in a})
    assert (found.clusters, found.p_value) == (None, compared(a, b).p_value)
    assert found.note.startswith("3 clusters: too few")


def test_an_instance_without_a_cluster_is_one_of_its_own():
    a, b = runs(*[(0, 1)] * 10, epochs=1)
    assert compared(a, b, {"i0": "x", "i1": "x"}).clusters == 9


def test_differences_that_are_all_alike_still_have_bounds():
    found = mean_of_differences(np.zeros(20), climbs=5)
    assert found.low < -0.1 < 0.1 < found.high


@pytest.mark.parametrize(
    ("tries", "solved", "k", "at_least_once", "each_time"),
    [(10, 3, 1, 0.3, 0.3), (10, 3, 5, 1 - 21 / 252, 0.0), (4, 2, 2, 5 / 6, 1 / 6), (5, 5, 3, 1.0, 1.0)],
)
def test_pass_at_k_and_pass_hat_k_are_what_drawing_k_of_the_tries_gives(tries, solved, k, at_least_once, each_time):
    """The first pair also by the stable product in Chen et al. 2021, figure 3."""
    outcomes = {"one": [True] * solved + [False] * (tries - solved)}
    found = pass_at_k(outcomes, k).value
    assert (found, pass_hat_k(outcomes, k).value) == (pytest.approx(at_least_once), pytest.approx(each_time))
    product = 1.0 if tries - solved < k else 1 - np.prod(1 - k / np.arange(tries - solved + 1, tries + 1))
    assert found == pytest.approx(float(product))


def test_a_k_beyond_the_epochs_is_refused_with_the_instance():
    with pytest.raises(ValueError, match=r"1 of 2 instances have fewer judged epochs, e\.g\. 'b' 1"):
        pass_at_k({"a": [True, False], "b": [True]}, 2)
    assert pass_at_k({}, 1) is None
    assert comb(5, 2) == 10


def test_means_are_compared_on_shared_instances_and_ends_are_known():
    a, b = ({f"i{n}": float(n % 5) for n in range(40)}, {f"i{n}": n % 5 + 1.0 for n in range(60)})
    assert mean_difference(a, b) == mean_difference(a, b)
    found = mean_difference(a, b)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert mean_difference(a, {"x": 1.0}) is None
    assert mean_difference({"i0": 1.0}, {"i0": 3.0}).high == inf


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cost", [0.0, 0.1, 0.1 + 0.2])
def test_identical_costs_have_bounds_without_width_and_no_warning(cost):
    names = [f"i{n}" for n in range(12)]
    a, b = dict.fromkeys(names, 0.1), dict.fromkeys(names, cost)
    solved = {name: n % 4 == 0 for n, name in enumerate(names)}
    for clusters in (None, {name: str(n % 6) for n, name in enumerate(names)}):
        found = mean_difference(a, b, clusters=clusters)
        assert (found.low, found.value, found.high) == pytest.approx((cost - 0.1,) * 3, abs=1e-12)
        ours, theirs, ratio = costs_per_solved((a, solved), (b, solved), clusters=clusters)
        assert (ours.value, theirs.value, ratio.value) == pytest.approx((0.4, 4 * cost, cost / 0.1))
        assert (ratio.low, ratio.high) == pytest.approx((cost / 0.1,) * 2)
        assert theirs == cost_per_solved(b, solved, clusters=clusters)  # drawn alike, together or alone


def test_the_bootstrap_of_a_mean_is_about_students_interval():
    random = np.random.default_rng(5)
    values = random.normal(1.0, 2.0, 12)
    found = mean_difference({str(n): 0.0 for n in range(12)}, {str(n): float(one) for n, one in enumerate(values)})
    half = 2.201 * values.std(ddof=1) / np.sqrt(12)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)


def test_cost_per_solved_is_open_above_where_hardly_anything_is_solved():
    cost = {f"i{n}": 0.1 for n in range(20)}
    few, many = ({name: float(int(name[1:]) < solved) for name in cost} for solved in (1, 15))
    assert cost_per_solved(cost, few).value == pytest.approx(2.0)
    assert cost_per_solved(cost, few).high == inf
    found = cost_per_solved(cost, many)
    assert found.low < 2 / 15 < found.high < 0.25
    assert cost_per_solved(cost, dict.fromkeys(cost, 0.0)) is None
    ratio = cost_per_solved_ratio((cost, many), (dict.fromkeys(cost, 0.2), many))
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0))


def test_shares_that_are_no_binary_fractions_tie_as_whole_numbers_do():
    thirds = np.random.default_rng(2).choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], 60)
    assert sign_flip(thirds / 3) == sign_flip(thirds)
    assert sign_flip(thirds[:12] / 3) == sign_flip(thirds[:12])
